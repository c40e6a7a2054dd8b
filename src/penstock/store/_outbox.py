"""The ports `Outbox` and `Archive`: what happened, for programs and for people."""

import sqlite3
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final

from penstock.store._database import Database, Micros, moment
from penstock.store._rows import Versions, of_lines
from penstock.workflow import Pipeline, codec, event, executor, states, store

_TOLD: Final = """
SELECT j.position, r.tenant, r.run, r.pipeline, r.digest, j.told
FROM journal j JOIN run r ON r.id = j.run WHERE j.told != ''
"""


class SqliteOutbox(store.Outbox):
    """The outbox in SQLite: one writer gives positions in the order of commits."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self, *, after: int, limit: int) -> Sequence[store.OutboxEvent]:
        return await self._database.read(partial(_read, after, limit))

    async def end(self) -> int:
        return await self._database.read(_end)

    async def cursor(self, consumer: str) -> int:
        return await self._database.read(partial(_cursor, consumer))

    async def advance(self, consumer: str, position: int) -> None:
        await self._database.write(partial(_advance, consumer, position))


class SqliteArchive(store.Archive):
    """Runs that were, in SQLite."""

    def __init__(self, database: Database, versions: Versions) -> None:
        self._database = database
        self._versions = versions

    async def runs(
        self, tenant: str, *, pipeline: str = "", after: str = "", limit: int = 100
    ) -> Sequence[store.RunSummary]:
        return await self._database.read(partial(_runs, tenant, pipeline, after, limit))

    async def events(
        self, tenant: str, run: str, *, after: int = 0, limit: int = 1_000
    ) -> Sequence[store.OutboxEvent]:
        return await self._database.read(partial(_events, tenant, run, after, limit))

    async def artifacts(self, tenant: str, run: str) -> Sequence[store.KeptArtifact]:
        return await self._database.read(partial(_artifacts, tenant, run))

    async def history(self, tenant: str, run: str) -> Sequence[tuple[datetime, event.Event]]:
        return await self._database.read(partial(_history, tenant, run))

    async def versions(self, tenant: str, pipeline: str) -> Sequence[store.VersionSummary]:
        return await self._database.read(partial(_versions_of, tenant, pipeline))

    async def version(self, tenant: str, digest: str) -> Pipeline:
        return await self._database.read(lambda db, _: self._versions.get(db, tenant, digest))


def _read(after: int, limit: int, db: sqlite3.Connection, _: Micros) -> list[store.OutboxEvent]:
    rows = db.execute(f"{_TOLD} AND j.position > ? ORDER BY j.position LIMIT ?", (after, limit))
    told = [each for row in rows for each in _outbox_events(row) if each.position > after]
    return told[:limit]


def _outbox_events(row: tuple[Any, ...]) -> Iterator[store.OutboxEvent]:
    """What one change told; its position is that of the last."""
    last, tenant, run, pipeline, digest, text = row
    texts = of_lines(text)
    for position, each in enumerate(texts, last - len(texts) + 1):
        told = codec.decode_domain(each, place=f"event {position}")
        yield store.OutboxEvent(position, tenant, run, pipeline, digest, told)


def _end(db: sqlite3.Connection, _: Micros) -> int:
    found = db.execute(
        "SELECT position FROM journal WHERE told != '' ORDER BY position DESC LIMIT 1"
    ).fetchone()
    return int(found[0]) if found else 0


def _cursor(consumer: str, db: sqlite3.Connection, _: Micros) -> int:
    found = db.execute("SELECT position FROM consumer WHERE name = ?", (consumer,)).fetchone()
    return int(found[0]) if found else 0


def _advance(consumer: str, position: int, db: sqlite3.Connection, _: Micros) -> None:
    db.execute(
        "INSERT INTO consumer VALUES (?, ?)"
        " ON CONFLICT DO UPDATE SET position = max(position, excluded.position)",
        (consumer, position),
    )


def _runs(
    tenant: str, pipeline: str, after: str, limit: int, db: sqlite3.Connection, _: Micros
) -> list[store.RunSummary]:
    rows = db.execute(
        "SELECT run, pipeline, digest, state, run_key, run_trigger, created_at, changed_at FROM run"
        " WHERE tenant = :tenant AND (:pipeline = '' OR pipeline = :pipeline)"
        " AND (:after = '' OR id < (SELECT id FROM run WHERE tenant = :tenant AND run = :after))"
        " ORDER BY id DESC LIMIT :limit",
        {"tenant": tenant, "pipeline": pipeline, "after": after, "limit": limit},
    )
    return [
        store.RunSummary(
            run, name, digest, states.RunState(state), key, trigger, moment(made), moment(changed)
        )
        for run, name, digest, state, key, trigger, made, changed in rows
    ]


def _events(
    tenant: str, run: str, after: int, limit: int, db: sqlite3.Connection, _: Micros
) -> list[store.OutboxEvent]:
    rows = db.execute(
        f"{_TOLD} AND r.tenant = ? AND r.run = ? AND j.seq > ? ORDER BY j.seq LIMIT ?",
        (tenant, run, after, limit),
    )
    told = [each for row in rows for each in _outbox_events(row) if each.event.seq > after]
    return told[:limit]


def _artifacts(
    tenant: str, run: str, db: sqlite3.Connection, _: Micros
) -> list[store.KeptArtifact]:
    rows = db.execute(
        "SELECT step, item, attempt, name, size, sha256, place FROM artifact"
        " WHERE tenant = ? AND run = ? ORDER BY step, item, name",
        (tenant, run),
    )
    return [
        store.KeptArtifact(step, item, attempt, executor.Artifact(*left))
        for step, item, attempt, *left in rows
    ]


def _history(
    tenant: str, run: str, db: sqlite3.Connection, _: Micros
) -> list[tuple[datetime, event.Event]]:
    rows = db.execute(
        "SELECT j.at, j.happened FROM journal j JOIN run r ON r.id = j.run"
        " WHERE r.tenant = ? AND r.run = ? ORDER BY j.seq, j.position",
        (tenant, run),
    )
    return [
        (moment(at), codec.decode_event(text, place=f"history of run {run}"))
        for at, texts in rows
        for text in of_lines(texts)
    ]


def _versions_of(
    tenant: str, pipeline: str, db: sqlite3.Connection, _: Micros
) -> list[store.VersionSummary]:
    rows = db.execute(
        "SELECT digest, created_at, state FROM version WHERE tenant = ? AND pipeline = ?"
        " ORDER BY created_at DESC, digest",
        (tenant, pipeline),
    )
    return [
        store.VersionSummary(digest, moment(at), states.VersionState(state))
        for digest, at, state in rows
    ]
