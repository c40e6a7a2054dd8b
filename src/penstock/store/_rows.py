"""Between rows and the objects that are in them."""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from threading import Lock
from typing import Any, Final

from penstock.store._database import Micros, moment
from penstock.workflow import Pipeline, RunRecord, codec, command, executor, record, states, store

_VERSIONS_KEPT = 256


_JSON: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)


def dumped(value: Any) -> str:
    """JSON in its shortest form."""
    return _JSON.encode(value)


def lines(texts: Iterable[str]) -> str:
    """Compact JSON of several records for one column: a line each, which holds no other line break."""
    return "\n".join(texts)


def of_lines(text: str) -> list[str]:
    """What `lines` was given."""
    return text.split("\n") if text else []


class Versions:
    """Definitions that were read, by tenant and digest: they never change. Safe from both threads."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Pipeline] = {}
        self._lock = Lock()

    def get(self, db: sqlite3.Connection, tenant: str, digest: str) -> Pipeline:
        """Return a version.

        Raises:
            LookupError: The tenant has none of this digest.
        """
        with self._lock:
            known = self._known.get((tenant, digest))
        if known is None:
            found = db.execute(
                "SELECT text FROM version WHERE tenant = ? AND digest = ?", (tenant, digest)
            ).fetchone()
            if found is None:
                raise LookupError(f"there is no version {digest!r}")
            known = Pipeline.decode(found[0], place=f"version {digest}")
            self._keep(tenant, digest, known)
        return known

    def put(self, db: sqlite3.Connection, now: Micros, tenant: str, pipeline: Pipeline) -> None:
        """Keep a version with its first state, if it is new."""
        db.execute(
            "INSERT OR IGNORE INTO version (tenant, digest, pipeline, text, created_at, state)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (
                tenant,
                pipeline.digest,
                pipeline.name,
                pipeline.encode(),
                now,
                str(states.VersionState.DRAFT),
            ),
        )

    def move(
        self, db: sqlite3.Connection, tenant: str, pipeline: Pipeline, to: states.VersionState
    ) -> states.VersionState:
        """Bring a version that is kept to a state, where the table allows it."""
        place = (tenant, pipeline.digest)
        (text,) = db.execute(
            "SELECT state FROM version WHERE tenant = ? AND digest = ?", place
        ).fetchone()
        found = states.VersionState(text)
        if found is not to:
            subject = f"version {pipeline.digest[:12]} of pipeline {pipeline.name!r}"
            states.advance(subject, found, to)
            db.execute(
                "UPDATE version SET state = ? WHERE tenant = ? AND digest = ?", (str(to), *place)
            )
        return to

    def require_valid(
        self, db: sqlite3.Connection, now: Micros, tenant: str, pipeline: Pipeline
    ) -> None:
        """Keep a version that is about to run: a draft becomes VALIDATED by it."""
        self.put(db, now, tenant, pipeline)
        db.execute(
            "UPDATE version SET state = ? WHERE tenant = ? AND digest = ? AND state = ?",
            (
                str(states.VersionState.VALIDATED),
                tenant,
                pipeline.digest,
                str(states.VersionState.DRAFT),
            ),
        )

    def _keep(self, tenant: str, digest: str, pipeline: Pipeline) -> None:
        with self._lock:
            if len(self._known) >= _VERSIONS_KEPT:
                self._known.pop(next(iter(self._known)))
            self._known[tenant, digest] = pipeline


RUN_COLUMNS = "tenant, run, digest, run_key, run_trigger, lane, params, head"


def stored_run(db: sqlite3.Connection, versions: Versions, row: tuple[Any, ...]) -> store.StoredRun:
    """Put a run together from its row, of `RUN_COLUMNS`, and those of its steps."""
    tenant, run, digest, run_key, trigger, lane, params, head = row
    pipeline = versions.get(db, tenant, digest)
    steps = {
        name: codec.decode_step(text, place=f"step {name} of run {run}")
        for name, text in db.execute(
            "SELECT step, row FROM step WHERE tenant = ? AND run = ?", (tenant, run)
        )
    }
    kept = codec.decode_run(head, graph=pipeline.graph, steps=steps, place=f"run {run}")
    return store.StoredRun(
        tenant, kept, pipeline, json.loads(params), run_key, trigger=trigger, lane=lane
    )


def run_marks(state: RunRecord) -> tuple[Any, ...]:
    """The columns by which runs are found: state, is_open, is_started, gives_work."""
    undoing = state.compensation is record.Compensation.RUNNING
    unstarted = state.state in {states.RunState.QUEUED, states.RunState.WAITING_UPSTREAM}
    return (
        str(state.state),
        undoing or not state.state.final,
        not state.state.final and not unstarted,
        gives_work(state),
    )


def gives_work(state: RunRecord) -> bool:
    """Whether attempts of the run may be claimed."""
    undoing = state.compensation is record.Compensation.RUNNING
    return undoing or state.state is states.RunState.RUNNING


def leased(db: sqlite3.Connection, tenant: str, run: str) -> int:
    """How many attempts of a run somebody holds."""
    (count,) = db.execute(
        "SELECT count(*) FROM attempt WHERE tenant = ? AND run = ? AND until IS NOT NULL",
        (tenant, run),
    ).fetchone()
    return int(count)


ATTEMPT_COLUMNS = (
    "tenant, run, step, item, number, undo, key, worker, fence, until, handle, stopping"
)


def lease_of(row: tuple[Any, ...]) -> store.Lease:
    """A lease from its row, of `ATTEMPT_COLUMNS`."""
    tenant, run, step, item, number, undo, key, worker, fence, until, handle, stopping = row
    ref = record.AttemptRef(step, item, number, bool(undo))
    return store.Lease(
        tenant,
        run,
        command.StartAttempt(ref, key),
        worker,
        fence,
        moment(until or 0),
        executor.JobHandle(**json.loads(handle)) if handle else None,
        stopping=bool(stopping),
    )


def handle_text(handle: executor.JobHandle | None) -> str | None:
    """A handle for its column."""
    if handle is None:
        return None
    data: Mapping[str, str] = handle.data
    return dumped({"executor": handle.executor, "name": handle.name, "data": dict(data)})


def place_of(tenant: str, run: str, ref: record.AttemptRef) -> tuple[Any, ...]:
    """The key of an attempt's row."""
    return tenant, run, ref.step, ref.item, ref.number, int(ref.undo)


AT_PLACE = "tenant = ? AND run = ? AND step = ? AND item = ? AND number = ? AND undo = ?"
