"""The port `Store`: a decision is kept whole."""

import json
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any

from penstock.store._change import Change, Texts
from penstock.store._database import Database, Micros
from penstock.store._rows import RUN_COLUMNS, Versions, dumped, run_marks, stored_run
from penstock.workflow import (
    Pipeline,
    Store,
    domain,
    event,
    executor,
    record,
    states,
    store,
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
        change = Change(run, event.Submitted(), decision)
        return await self._database.write(partial(self._create, change, change.texts(new=True)))

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
        change = Change(run, event, decision, lease, result, artifacts, onward)
        await self._database.write(partial(change.keep, change.texts()))

    async def results(self, tenant: str, run: str, steps: Collection[str]) -> Mapping[str, Any]:
        return await self._database.read(partial(self._results, tenant, run, steps))

    async def open_runs(self, *, after: str = "", limit: int = 1_000) -> Sequence[store.StoredRun]:
        return await self._database.read(partial(self._open_runs, after, limit))

    def _create(self, change: Change, texts: Texts, db: sqlite3.Connection, now: Micros) -> bool:
        run, kept = change.run, change.decision.state
        known = db.execute(
            "SELECT 1 FROM run WHERE tenant = ? AND run = ?", (run.tenant, kept.run)
        ).fetchone()
        if known:
            return False
        self._versions.require_valid(db, now, run.tenant, run.pipeline)
        limits = run.pipeline.definition.spec.concurrency
        db.execute(
            "INSERT INTO run (tenant, run, pipeline, digest, run_key, run_trigger, lane, params,"
            " max_runs, max_steps, created_at, changed_at, version, head, state, is_open, is_started,"
            " gives_work) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
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
                now,
                kept.version,
                texts.run,
                *run_marks(kept),
            ),
        )
        change.keep_rest(texts, db, now)
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
            elif step.succeeded:
                found[name] = read.get(record.WHOLE)
        return found
