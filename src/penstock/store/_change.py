"""One decision on its way into the tables, or two: with the start of an attempt that it asks for."""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, NamedTuple

from penstock.base import Value
from penstock.store._database import Micros, micros
from penstock.store._rows import (
    AT_PLACE,
    dumped,
    gives_work,
    handle_text,
    leased,
    lines,
    place_of,
    run_marks,
)
from penstock.workflow import codec, command, domain, event, executor, record, store

_ENDS: Final = (
    event.AttemptSucceeded,
    event.AttemptFailed,
    event.AttemptLost,
    event.AttemptReturned,
    event.AttemptStopped,
)

_HELD: Final = f"{AT_PLACE} AND worker = ? AND fence = ? AND until IS NOT NULL"

_BEGIN: Final = """
INSERT INTO attempt
  (tenant, run, step, item, number, undo, key, stopping, queue_number, worker, fence, until, handle)
VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0, ?, ?, ?, ?) ON CONFLICT DO UPDATE
SET worker = excluded.worker, fence = excluded.fence, until = excluded.until, handle = excluded.handle
WHERE until IS NULL AND fence = 0 AND NOT stopping
"""
"""An attempt that nobody has held yet: new, or asked for before and not stopped since."""

_LAST_PLACE: Final = "(SELECT coalesce(max(queue_number), 0) + 1 FROM attempt WHERE until IS NULL)"

_ASK_START: Final = f"""
INSERT INTO attempt (tenant, run, step, item, number, undo, key, stopping, queue_number)
VALUES (?, ?, ?, ?, ?, ?, ?, 0, {_LAST_PLACE}) ON CONFLICT DO NOTHING
"""  # noqa: S608 - a constant

_ASK_STOP: Final = f"""
INSERT INTO attempt (tenant, run, step, item, number, undo, key, stopping, queue_number)
VALUES (?, ?, ?, ?, ?, ?, '', 1, {_LAST_PLACE}) ON CONFLICT DO UPDATE SET stopping = 1
"""  # noqa: S608 - a constant

_GO_ON: Final = """
UPDATE run SET version = ?, head = ?, changed_at = ? WHERE tenant = ? AND run = ? AND version = ?
"""
"""Where none of the columns changes by which runs are found, no index is touched."""

_MOVE: Final = """
UPDATE run SET version = ?, head = ?, changed_at = ?,
  state = ?, is_open = ?, is_started = ?, gives_work = ?
WHERE tenant = ? AND run = ? AND version = ?
"""

_ADMIT: Final = f"""{_MOVE}
AND (max_runs IS NULL OR max_runs > (SELECT count(*) FROM run other
  WHERE other.tenant = run.tenant AND other.pipeline = run.pipeline AND other.lane = run.lane
  AND other.is_started))
"""  # noqa: S608 - a constant

_NOTE: Final = """
INSERT INTO journal SELECT (SELECT coalesce(max(position), 0) FROM journal) + ?, id, ?, ?, ?, ?
FROM run WHERE tenant = ? AND run = ?
"""

_MICROS: Final = timedelta(microseconds=1)


class Texts(NamedTuple):
    """What a change writes down: made before its transaction, which others wait for."""

    run: str
    steps: Sequence[tuple[str, str]]
    """Of those that changed, by name."""

    happened: str
    told: Sequence[str]


class Change(Value):
    """What `Store.apply` is asked to keep; all of it is one transaction."""

    run: store.StoredRun
    happened: event.Event
    decision: domain.Decision
    lease: store.Lease | None = None
    result: Any = None
    artifacts: Sequence[executor.Artifact] = ()
    onward: store.Onward | None = None

    def texts(self, *, new: bool = False) -> Texts:
        """Write it down; with all steps where the run is new."""
        happened, told, state = [self.happened], self.decision.events, self._last.state
        if self.onward is not None:
            happened.append(event.AttemptStarted(self.onward.lease.attempt.ref))
            told += self.onward.decision.events
        steps = zip(self.run.record.steps.values(), state.steps.values(), strict=True)
        changed = [step for before, step in steps if new or step is not before]
        return Texts(
            codec.encode_run(state),
            [(step.name, codec.encode_step(step)) for step in changed],
            lines(map(codec.encode_event, happened)),
            [codec.encode_domain(each) for each in told],
        )

    def keep(self, texts: Texts, db: sqlite3.Connection, now: Micros) -> None:
        """Keep it, or raise `ConflictError`.

        Where an attempt is begun with it the rows of the run and of its steps are written once, as
        the second decision leaves them.
        """
        if self.lease is not None:
            self._require_lease(db, self.lease)
        elif isinstance(self.happened, _ENDS):
            self._withdraw(db, self.happened.ref)
        self._write_run(db, now, texts.run)
        if isinstance(self.happened, event.AttemptSucceeded) and not self.happened.ref.undo:
            ref = self.happened.ref
            if self._succeeded(ref):
                self._write_outcome(db, ref)
        self.keep_rest(texts, db, now)

    def keep_rest(self, texts: Texts, db: sqlite3.Connection, now: Micros) -> None:
        """All but the row of the run: those of its steps, the journal, what is asked for."""
        db.executemany(
            "INSERT OR REPLACE INTO step VALUES (?, ?, ?, ?)",
            [(*self._id, *step) for step in texts.steps],
        )
        noted = (self._last.state.seq, now, texts.happened, lines(texts.told))
        db.execute(_NOTE, (len(texts.told) or 1, *noted, *self._id))
        self._forget(db)
        begun = self.onward.lease.attempt if self.onward else None
        for asked in self.decision.commands:
            if asked != begun and (keep := _KEEP.get(type(asked))) is not None:
                keep(db, self._id, asked, now)
        if self.onward is not None:
            self._begin(db, now, self.onward)
        state = self._last.state
        if state.state.final and state.compensation is not record.Compensation.RUNNING:
            db.execute("DELETE FROM timer WHERE tenant = ? AND run = ?", self._id)

    @property
    def _id(self) -> tuple[str, str]:
        return self.run.tenant, self.run.record.run

    @property
    def _last(self) -> domain.Decision:
        return self.onward.decision if self.onward else self.decision

    def _require_lease(self, db: sqlite3.Connection, lease: store.Lease) -> None:
        """The fence: whoever was replaced changes nothing. An attempt that has ended gives its lease up."""
        held = (*place_of(*self._id, lease.attempt.ref), lease.worker, lease.fence)
        if isinstance(self.happened, _ENDS):
            found = db.execute(f"DELETE FROM attempt WHERE {_HELD}", held)  # noqa: S608 - a constant
        else:
            found = db.execute(
                f"UPDATE attempt SET handle = coalesce(?, handle) WHERE {_HELD}",  # noqa: S608 - a constant
                (handle_text(lease.handle), *held),
            )
        if found.rowcount != 1:
            raise store.ConflictError(self._id[1], f"the lease of {lease.worker!r} is gone")

    def _withdraw(self, db: sqlite3.Connection, ref: record.AttemptRef) -> None:
        """An attempt that nobody holds is over."""
        db.execute(f"DELETE FROM attempt WHERE {AT_PLACE}", place_of(*self._id, ref))  # noqa: S608 - a constant

    def _write_run(self, db: sqlite3.Connection, now: Micros, text: str) -> None:
        before, state = self.run.record, self._last.state
        values: tuple[Any, ...] = (state.version, text, now)
        statement = _GO_ON
        if (before.state, before.compensation) != (state.state, state.compensation):
            statement = _ADMIT if isinstance(self.happened, event.Admitted) else _MOVE
            values += run_marks(state)
        found = db.execute(statement, (*values, *self._id, before.version))
        if found.rowcount != 1:
            raise store.ConflictError(
                self._id[1], "it has another version, or there is no room for it"
            )

    def _succeeded(self, ref: record.AttemptRef) -> bool:
        before = self.run.record.steps[ref.step].succeeded
        return self.decision.state.steps[ref.step].succeeded > before

    def _write_outcome(self, db: sqlite3.Connection, ref: record.AttemptRef) -> None:
        place = (*self._id, ref.step, ref.item)
        if self.result is not None:
            value = dumped(self.result)
            db.execute("INSERT OR REPLACE INTO result VALUES (?, ?, ?, ?, ?)", (*place, value))
        if not self.artifacts:
            return
        db.executemany(
            "INSERT OR REPLACE INTO artifact"
            " (tenant, run, step, item, name, attempt, size, sha256, place)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (*place, left.name, ref.number, left.size, left.sha256, left.place)
                for left in self.artifacts
            ],
        )

    def _forget(self, db: sqlite3.Connection) -> None:
        """Take away what this event has answered."""
        happened = self.happened
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
            db.execute(f"DELETE FROM timer WHERE {AT_PLACE} AND kind != 'step'", place)  # noqa: S608 - a constant

    def _begin(self, db: sqlite3.Connection, now: Micros, onward: store.Onward) -> None:
        """Claim and begin one attempt that nobody has held yet, within the limits of its run."""
        lease, until = onward.lease, now + onward.lasting // _MICROS
        holder = (lease.worker, lease.fence, until, handle_text(lease.handle))
        place = place_of(*self._id, lease.attempt.ref)
        allowed = lease.fence == 1 and self._has_room(db, onward)
        if not allowed or db.execute(_BEGIN, (*place, lease.attempt.key, *holder)).rowcount != 1:
            raise store.ConflictError(self._id[1], "its next attempt cannot be begun now")
        for asked in onward.decision.commands:
            if (keep := _KEEP.get(type(asked))) is not None:
                keep(db, self._id, asked, now)

    def _has_room(self, db: sqlite3.Connection, onward: store.Onward) -> bool:
        """Whether the run begins the attempt by this, gives work, and has fewer leases than it allows."""
        before, state = self.decision.state, onward.decision.state
        if state is before or not gives_work(state):
            return False
        most = self.run.pipeline.definition.spec.concurrency.steps
        return most is None or leased(db, *self._id) < most


def _keep_question(
    db: sqlite3.Connection, run: tuple[str, str], asked: command.ResolveStep, now: Micros
) -> None:
    db.execute("INSERT OR IGNORE INTO question VALUES (?, ?, ?, ?)", (*run, asked.step, now))


def _keep_start(
    db: sqlite3.Connection, run: tuple[str, str], asked: command.StartAttempt, _: Micros
) -> None:
    db.execute(_ASK_START, (*place_of(*run, asked.ref), asked.key))


def _keep_stop(
    db: sqlite3.Connection, run: tuple[str, str], asked: command.StopAttempt, _: Micros
) -> None:
    db.execute(_ASK_STOP, place_of(*run, asked.ref))


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
