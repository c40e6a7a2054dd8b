"""The port `WorkQueue`: what is to be done, and who holds the right to do it."""

import sqlite3
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Final

from penstock.store._database import Database, Micros, moment
from penstock.store._rows import AT_PLACE, ATTEMPT_COLUMNS, handle_text, lease_of, leased, place_of
from penstock.workflow import command, record, store

_MICROS: Final = timedelta(microseconds=1)

_READY: Final = f"""
SELECT {", ".join("a." + name for name in ATTEMPT_COLUMNS.split(", "))}, r.max_steps
FROM attempt a JOIN run r ON r.tenant = a.tenant AND r.run = a.run
WHERE a.until IS NULL AND NOT a.stopping AND r.gives_work
AND (r.max_steps IS NULL OR r.max_steps > (
  SELECT count(*) FROM attempt l WHERE l.tenant = a.tenant AND l.run = a.run AND l.until IS NOT NULL))
ORDER BY a.queue_number LIMIT ?
"""  # noqa: S608 - constants

_TAKE: Final = f"UPDATE attempt SET worker = ?, fence = fence + 1, until = ? WHERE {AT_PLACE}"  # noqa: S608 - a constant

_EXPIRED: Final = f"""
SELECT {ATTEMPT_COLUMNS} FROM attempt INDEXED BY attempt_leased WHERE until < ? ORDER BY until LIMIT ?
"""  # noqa: S608 - a constant

_ADMISSIBLE: Final = """
SELECT tenant, run FROM (
  SELECT r.id, r.tenant, r.run, r.max_runs,
    (SELECT count(*) FROM run other WHERE other.tenant = r.tenant AND other.pipeline = r.pipeline
      AND other.lane = r.lane AND other.is_started) AS started,
    row_number() OVER (PARTITION BY r.tenant, r.pipeline, r.lane ORDER BY r.id) AS place
  FROM run r WHERE r.state = 'QUEUED')
WHERE max_runs IS NULL OR started + place <= max_runs
ORDER BY id LIMIT ?
"""


class SqliteQueue(store.WorkQueue):
    """Attempts, timers and questions in SQLite."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def admissible(self, *, limit: int) -> Sequence[tuple[str, str]]:
        return await self._database.read(lambda db, _: db.execute(_ADMISSIBLE, (limit,)).fetchall())

    async def claim(self, worker: str, *, limit: int, lease: timedelta) -> Sequence[store.Lease]:
        return await self._database.write(partial(_claim, worker, limit, lease))

    async def renew(
        self, leases: Sequence[store.Lease], *, lease: timedelta
    ) -> Sequence[store.Lease]:
        return await self._database.write(partial(_renew, leases, lease))

    async def expired(self, *, limit: int) -> Sequence[store.Lease]:
        return await self._database.read(partial(_expired, limit))

    async def take_over(self, lease: store.Lease, worker: str, *, until: timedelta) -> store.Lease:
        return await self._database.write(partial(_take_over, lease, worker, until))

    async def stops(self, worker: str, *, limit: int) -> Sequence[store.Lease]:
        return await self._database.read(partial(_stops, worker, limit))

    async def unresolved(
        self, *, older_than: timedelta, limit: int
    ) -> Sequence[tuple[str, str, str]]:
        return await self._database.read(partial(_unresolved, older_than, limit))

    async def due(self, *, limit: int) -> Sequence[tuple[str, str, command.TimerId]]:
        return await self._database.read(partial(_due, limit))


def _claim(
    worker: str, limit: int, lease: timedelta, db: sqlite3.Connection, now: Micros
) -> list[store.Lease]:
    until = now + lease // _MICROS
    taken: list[store.Lease] = []
    for *row, most in db.execute(_READY, (limit,)).fetchall():
        ready = lease_of(tuple(row))
        run = (ready.tenant, ready.run)
        if most is not None and most <= leased(db, *run):
            continue
        db.execute(_TAKE, (worker, until, *place_of(*run, ready.attempt.ref)))
        taken.append(ready._replace(worker=worker, fence=ready.fence + 1, until=moment(until)))
    return taken


def _renew(
    leases: Sequence[store.Lease], lease: timedelta, db: sqlite3.Connection, now: Micros
) -> list[store.Lease]:
    until = now + lease // _MICROS
    kept = []
    for held in leases:
        found = db.execute(
            f"UPDATE attempt SET until = ?, handle = coalesce(?, handle) WHERE {AT_PLACE}"  # noqa: S608 - a constant
            " AND worker = ? AND fence = ? AND until IS NOT NULL RETURNING stopping",
            (
                until,
                handle_text(held.handle),
                *place_of(held.tenant, held.run, held.attempt.ref),
                held.worker,
                held.fence,
            ),
        ).fetchone()
        if found is not None:
            kept.append(held._replace(until=moment(until), stopping=bool(found[0])))
    return kept


def _expired(limit: int, db: sqlite3.Connection, now: Micros) -> list[store.Lease]:
    return [lease_of(row) for row in db.execute(_EXPIRED, (now, limit))]


def _take_over(
    lease: store.Lease, worker: str, until: timedelta, db: sqlite3.Connection, now: Micros
) -> store.Lease:
    ends = now + until // _MICROS
    found = db.execute(
        f"{_TAKE} AND fence = ? AND until < ?",
        (
            worker,
            ends,
            *place_of(lease.tenant, lease.run, lease.attempt.ref),
            lease.fence,
            now,
        ),
    )
    if found.rowcount != 1:
        raise store.ConflictError(lease.run, "somebody else has taken the lease, or renewed it")
    return lease._replace(worker=worker, fence=lease.fence + 1, until=moment(ends))


def _stops(worker: str, limit: int, db: sqlite3.Connection, _: Micros) -> list[store.Lease]:
    rows = db.execute(
        f"SELECT {ATTEMPT_COLUMNS} FROM attempt WHERE stopping"  # noqa: S608 - a constant
        " AND worker IN (?, '') ORDER BY queue_number LIMIT ?",
        (worker, limit),
    )
    return [lease_of(row) for row in rows]


def _unresolved(
    older_than: timedelta, limit: int, db: sqlite3.Connection, now: Micros
) -> list[tuple[str, str, str]]:
    return db.execute(
        "SELECT tenant, run, step FROM question WHERE asked_at <= ? ORDER BY asked_at LIMIT ?",
        (now - older_than // _MICROS, limit),
    ).fetchall()


def _due(limit: int, db: sqlite3.Connection, now: Micros) -> list[tuple[str, str, command.TimerId]]:
    rows = db.execute(
        "SELECT tenant, run, kind, step, item, number, undo FROM timer WHERE due <= ?"
        " ORDER BY due LIMIT ?",
        (now, limit),
    )
    return [
        (
            tenant,
            run,
            command.TimerId(
                command.TimerKind(kind), record.AttemptRef(step, item, number, bool(undo))
            ),
        )
        for tenant, run, kind, step, item, number, undo in rows
    ]
