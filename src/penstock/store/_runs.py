"""The port `Store`: a decision is kept whole."""

import json
import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

from penstock.store._database import Database, Micros, micros
from penstock.store._queue import take_fresh
from penstock.store._rows import (
    AT_PLACE,
    RUN_COLUMNS,
    Versions,
    dumped,
    handle_text,
    place_of,
    run_values,
    stored_run,
)
from penstock.workflow import (
    Pipeline,
    Store,
    codec,
    command,
    domain,
    event,
    executor,
    record,
    states,
    store,
)

_ENDS: Final = (
    event.AttemptSucceeded,
    event.AttemptFailed,
    event.AttemptLost,
    event.AttemptReturned,
    event.AttemptStopped,
)


class SqliteRuns(Store):
    """Runs in SQLite."""

    def __init__(self, database: Database, versions: Versions) -> None:
        self._database = database
        self._versions = versions

    async def keep(
        self, tenant: str, pipeline: Pipeline, state: states.VersionState
    ) -> states.VersionState:
        def job(db: sqlite3.Connection, now: Micros) -> states.VersionState:
            self._versions.put(db, now, tenant, pipeline)
            return self._versions.move(db, tenant, pipeline, state)

        return await self._database.write(job)

    async def create(self, run: store.StoredRun, decision: domain.Decision) -> bool:
        return await self._database.write(partial(self._create, run, decision))

    async def load(self, tenant: str, run: str) -> store.StoredRun:
        return await self._database.read(partial(self._load, tenant, run))

    async def apply(
        self,
        run: store.StoredRun,
        event: event.Event,
        decision: domain.Decision,
        *,
        lease: store.Lease | None = None,
        result: Any = None,
        artifacts: Sequence[executor.Artifact] = (),
        onward: store.Onward | None = None,
    ) -> None:
        change = _Change(run, event, decision)
        keep = partial(change.apply, lease=lease, result=result, artifacts=artifacts)
        await self._database.write(
            keep if onward is None else partial(_keep_both, keep, run, decision, onward)
        )

    async def results(self, tenant: str, run: str, steps: Collection[str]) -> Mapping[str, Any]:
        return await self._database.read(partial(self._results, tenant, run, steps))

    async def open_runs(self, *, after: str = "", limit: int = 1_000) -> Sequence[store.StoredRun]:
        return await self._database.read(partial(self._open_runs, after, limit))

    def _create(
        self,
        run: store.StoredRun,
        decision: domain.Decision,
        db: sqlite3.Connection,
        now: Micros,
    ) -> bool:
        kept = decision.state
        known = db.execute(
            "SELECT 1 FROM run WHERE tenant = ? AND run = ?", (run.tenant, kept.run)
        ).fetchone()
        if known:
            return False
        self._versions.require_valid(db, now, run.tenant, run.pipeline)
        limits = run.pipeline.definition.spec.concurrency
        db.execute(
            "INSERT INTO run (tenant, run, pipeline, digest, run_key, run_trigger, lane, params,"
            " max_runs, max_steps, created_at, version, state, is_open, is_started, gives_work,"
            " head, changed_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                run.tenant,
                kept.run,
                run.pipeline.name,
                run.pipeline.digest,
                run.run_key,
                run.trigger,
                run.lane,
                dumped(dict(run.params)),
                limits.runs,
                limits.steps,
                now,
                *run_values(kept, now),
            ),
        )
        change = _Change(run, event.Submitted(), decision)
        change.write_steps(db, kept.steps.values())
        change.write_rest(db, now)
        return True

    def _load(self, tenant: str, run: str, db: sqlite3.Connection, _: Micros) -> store.StoredRun:
        row = db.execute(
            f"SELECT {RUN_COLUMNS} FROM run WHERE tenant = ? AND run = ?",  # noqa: S608 - a constant
            (tenant, run),
        ).fetchone()
        if row is None:
            raise LookupError(f"there is no run {run!r}")
        return stored_run(db, self._versions, row)

    def _open_runs(
        self, after: str, limit: int, db: sqlite3.Connection, _: Micros
    ) -> list[store.StoredRun]:
        rows = db.execute(
            f"SELECT {RUN_COLUMNS} FROM run WHERE is_open AND run > ? ORDER BY run LIMIT ?",  # noqa: S608 - a constant
            (after, limit),
        ).fetchall()
        return [stored_run(db, self._versions, row) for row in rows]

    def _results(
        self,
        tenant: str,
        run: str,
        steps: Collection[str],
        db: sqlite3.Connection,
        now: Micros,
    ) -> dict[str, Any]:
        kept = self._load(tenant, run, db, now).record
        found: dict[str, Any] = {}
        for name in steps:
            step = kept.steps[name]
            values = dict(
                db.execute(
                    "SELECT item, value FROM result WHERE tenant = ? AND run = ? AND step = ?",
                    (tenant, step.origin or run, name),
                )
            )
            read = {item: json.loads(text) for item, text in values.items()}
            if kept.graph.nodes[name].mapped:
                found[name] = [read.get(item) for item in range(max(step.total, 0))]
            elif record.WHOLE in read:
                found[name] = read[record.WHOLE]
        return found


class _Change:
    """One decision on its way into the tables."""

    def __init__(
        self, run: store.StoredRun, happened: event.Event, decision: domain.Decision
    ) -> None:
        self._run = run
        self._event = happened
        self._decision = decision
        self._id = (run.tenant, run.record.run)

    def apply(
        self,
        db: sqlite3.Connection,
        now: Micros,
        *,
        lease: store.Lease | None,
        result: Any,
        artifacts: Sequence[executor.Artifact],
    ) -> None:
        """Keep it, or raise `ConflictError`."""
        if lease is not None:
            self._require_lease(db, lease)
        self._write_run(db, now)
        before, after = self._run.record.steps, self._decision.state.steps
        self.write_steps(db, (step for name, step in after.items() if step is not before[name]))
        if isinstance(self._event, event.AttemptSucceeded) and not self._event.ref.undo:
            ref = self._event.ref
            if self._succeeded(ref):
                self._write_outcome(db, ref, result, artifacts)
        self.write_rest(db, now)

    def _write_outcome(
        self,
        db: sqlite3.Connection,
        ref: record.AttemptRef,
        result: Any,
        artifacts: Sequence[executor.Artifact],
    ) -> None:
        place = (*self._id, ref.step, ref.item)
        db.execute("INSERT OR REPLACE INTO result VALUES (?, ?, ?, ?, ?)", (*place, dumped(result)))
        db.executemany(
            "INSERT OR REPLACE INTO artifact"
            " (tenant, run, step, item, name, attempt, size, sha256, place)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (*place, left.name, ref.number, left.size, left.sha256, left.place)
                for left in artifacts
            ],
        )

    def write_steps(self, db: sqlite3.Connection, steps: Any) -> None:
        """The rows of steps that changed."""
        db.executemany(
            "INSERT OR REPLACE INTO step VALUES (?, ?, ?, ?)",
            [(*self._id, step.name, codec.encode_step(step)) for step in steps],
        )

    def write_rest(self, db: sqlite3.Connection, now: Micros) -> None:
        """History, what is asked for, what the world is told."""
        state = self._decision.state
        db.execute(
            "INSERT INTO history SELECT ?, ?, coalesce(max(number), 0) + 1, ?, ? FROM history"
            " WHERE tenant = ? AND run = ?",
            (*self._id, now, codec.encode_event(self._event), *self._id),
        )
        self._forget(db)
        for asked in self._decision.commands:
            if (keep := _KEEP.get(type(asked))) is not None:
                keep(db, self._id, asked, now)
        db.executemany(
            "INSERT INTO outbox (tenant, run, pipeline, digest, seq, event) VALUES (?, ?, ?, ?, ?, ?)",
            [
                (
                    *self._id,
                    self._run.pipeline.name,
                    self._run.pipeline.digest,
                    told.seq,
                    codec.encode_domain(told),
                )
                for told in self._decision.events
            ],
        )
        if state.state.final and state.compensation is not record.Compensation.RUNNING:
            db.execute("DELETE FROM timer WHERE tenant = ? AND run = ?", self._id)

    def _require_lease(self, db: sqlite3.Connection, lease: store.Lease) -> None:
        """The fence: whoever was replaced changes nothing."""
        found = db.execute(
            f"UPDATE attempt SET handle = coalesce(?, handle) WHERE {AT_PLACE}"  # noqa: S608 - a constant
            " AND worker = ? AND fence = ? AND until IS NOT NULL",
            (
                handle_text(lease.handle),
                *place_of(*self._id, lease.attempt.ref),
                lease.worker,
                lease.fence,
            ),
        )
        if found.rowcount != 1:
            raise store.ConflictError(self._id[1], f"the lease of {lease.worker!r} is gone")

    def _write_run(self, db: sqlite3.Connection, now: Micros) -> None:
        room = ""
        values = (*run_values(self._decision.state, now), *self._id, self._run.record.version)
        if isinstance(self._event, event.Admitted):
            room = (
                " AND (max_runs IS NULL OR max_runs > (SELECT count(*) FROM run other WHERE"
                " other.tenant = run.tenant AND other.pipeline = run.pipeline"
                " AND other.lane = run.lane AND other.is_started))"
            )
        found = db.execute(
            "UPDATE run SET version = ?, state = ?, is_open = ?, is_started = ?, gives_work = ?,"  # noqa: S608 - a constant
            f" head = ?, changed_at = ? WHERE tenant = ? AND run = ? AND version = ?{room}",
            values,
        )
        if found.rowcount != 1:
            raise store.ConflictError(
                self._id[1], "it has another version, or there is no room for it"
            )

    def _succeeded(self, ref: record.AttemptRef) -> bool:
        before = self._run.record.steps[ref.step].succeeded
        return self._decision.state.steps[ref.step].succeeded > before

    def _forget(self, db: sqlite3.Connection) -> None:
        """Take away what this event has answered."""
        happened = self._event
        if isinstance(happened, event.TimerFired):
            ref = happened.timer.ref
            db.execute(
                "DELETE FROM timer WHERE tenant = ? AND run = ? AND kind = ?"
                " AND step = ? AND item = ? AND number = ? AND undo = ?",
                (*self._id, str(happened.timer.kind), *place_of("", "", ref)[2:]),
            )
        elif isinstance(happened, (event.Resolved, event.NotResolved)):
            db.execute(
                "DELETE FROM question WHERE tenant = ? AND run = ? AND step = ?",
                (*self._id, happened.step),
            )
        elif isinstance(happened, _ENDS):
            place = place_of(*self._id, happened.ref)
            db.execute(f"DELETE FROM attempt WHERE {AT_PLACE}", place)  # noqa: S608 - a constant
            db.execute(f"DELETE FROM timer WHERE {AT_PLACE} AND kind != 'step'", place)  # noqa: S608 - a constant


def _keep_both(
    keep: Callable[[sqlite3.Connection, Micros], None],
    run: store.StoredRun,
    decision: domain.Decision,
    onward: store.Onward,
    db: sqlite3.Connection,
    now: Micros,
) -> None:
    """A decision, and the start of an attempt that it asks for."""
    keep(db, now)
    take_fresh(db, now, onward.lease, onward.lasting)
    begun = event.AttemptStarted(onward.lease.attempt.ref)
    second = _Change(replace(run, record=decision.state), begun, onward.decision)
    second.apply(db, now, lease=onward.lease, result=None, artifacts=())


def _keep_question(
    db: sqlite3.Connection, run: tuple[str, str], asked: command.ResolveStep, now: Micros
) -> None:
    db.execute("INSERT OR IGNORE INTO question VALUES (?, ?, ?, ?)", (*run, asked.step, now))


def _keep_start(
    db: sqlite3.Connection, run: tuple[str, str], asked: command.StartAttempt, _: Micros
) -> None:
    db.execute(
        "INSERT INTO attempt (tenant, run, step, item, number, undo, key, stopping)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, 0) ON CONFLICT DO NOTHING",
        (*place_of(*run, asked.ref), asked.key),
    )


def _keep_stop(
    db: sqlite3.Connection, run: tuple[str, str], asked: command.StopAttempt, _: Micros
) -> None:
    db.execute(
        "INSERT INTO attempt (tenant, run, step, item, number, undo, key, stopping)"
        " VALUES (?, ?, ?, ?, ?, ?, '', 1) ON CONFLICT DO UPDATE SET stopping = 1",
        place_of(*run, asked.ref),
    )


def _keep_timer(
    db: sqlite3.Connection, run: tuple[str, str], asked: command.SetTimer, _: Micros
) -> None:
    ref = asked.timer.ref
    db.execute(
        "INSERT OR REPLACE INTO timer (tenant, run, step, item, number, undo, kind, due)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (*place_of(*run, ref), str(asked.timer.kind), micros(asked.due)),
    )


_KEEP: Final[Mapping[type, Callable[..., None]]] = {
    command.ResolveStep: _keep_question,
    command.StartAttempt: _keep_start,
    command.StopAttempt: _keep_stop,
    command.SetTimer: _keep_timer,
}
"""`AskAdmission` needs no row: a run that is QUEUED asks by being so."""
