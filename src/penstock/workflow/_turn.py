"""One decision in the making: collects changes, commands and domain events, then freezes them."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final, TypeVar

from msgspec.structs import replace

from penstock.workflow._command import Command, SetTimer, StopAttempt, TimerId, TimerKind
from penstock.workflow._domain import (
    RUN_KINDS,
    STEP_KINDS,
    Datum,
    Decision,
    DomainEvent,
    DomainKind,
)
from penstock.workflow._errors import Failure
from penstock.workflow._graph import Graph, Node
from penstock.workflow._run import AttemptRef, Ending, RunRecord, StepRecord, Unit
from penstock.workflow._states import RunState, StepState, advance

_Key = TypeVar("_Key")
_Record = TypeVar("_Record")

_UNCHANGED: Final[Mapping[str, Any]] = MappingProxyType({})


class Turn:
    """The scratch of one call of `decide`; nobody outside sees it change."""

    def __init__(self, state: RunRecord, now: datetime) -> None:
        self.run = state
        self._before = state
        self.now = max(now, state.now)
        self.open_steps = state.open_steps
        self.between_steps = state.between_steps
        self._seq = state.seq
        self._steps: dict[str, StepRecord] | None = None
        self._commands: list[Command] = []
        self._events: list[DomainEvent] = []
        self._timed = False

    @property
    def graph(self) -> Graph:
        """The pinned version."""
        return self.run.graph

    @property
    def ending(self) -> bool:
        """Whether the run is being stopped."""
        return self.run.ending is not Ending.NOT

    def node(self, name: str) -> Node:
        """The rules of a step."""
        return self.graph.nodes[name]

    def step(self, name: str) -> StepRecord:
        """A step as it stands in this turn."""
        return (self._steps or self.run.steps)[name]

    def put(self, record: StepRecord) -> None:
        """Keep `record` as the step's new value."""
        if self._steps is None:
            self._steps = _copied(self.run.steps)
        self._steps[record.name] = record

    def edit(self, name: str, **changes: Any) -> StepRecord:
        """Change fields of a step other than its state."""
        record = replace(self.step(name), **changes)
        self.put(record)
        return record

    def edit_run(self, **changes: Any) -> None:
        """Change fields of the run other than its state."""
        self.run = replace(self.run, **changes)

    def put_unit(self, ref: AttemptRef, unit: Unit | None) -> None:
        """Keep `unit` as the open work behind `ref`; None takes it away."""
        if ref.undo:
            self.edit(ref.step, undo_unit=unit)
            return
        units = _copied(self.step(ref.step).units)
        if unit is None:
            del units[ref.item]
        else:
            units[ref.item] = unit
        self.edit(ref.step, units=MappingProxyType(units))

    def move_step(
        self, name: str, to: StepState, changes: Mapping[str, Any] = _UNCHANGED, /, **data: Datum
    ) -> None:
        """Change fields of a step, and say so where it comes to another state by that."""
        record = self.step(name)
        if record.state is to:
            if changes:
                self.put(replace(record, **changes))
            return
        ended = to.ended and not record.state.ended
        state = advance(f"step {name!r}", record.state, to)
        self.put(replace(record, state=state, **changes))
        if ended:
            self.open_steps -= 1
        self.tell(STEP_KINDS[to], to, name, **data)

    def move_run(self, to: RunState, kind: DomainKind | None = None, **data: Datum) -> None:
        """Advance the run and say so."""
        self.edit_run(state=advance(f"run {self.run.run!r}", self.run.state, to))
        self.tell(kind or RUN_KINDS[to], to, "", **data)

    def tell(self, kind: DomainKind, state: str, step: str = "", **data: Datum) -> None:
        """Add a domain event."""
        self._seq += 1
        kept = MappingProxyType({name: value for name, value in data.items() if value != ""})
        self._events.append(DomainEvent(self._seq, kind, self.now, str(state), step, kept))

    def ask(self, command: Command) -> None:
        """Add a command."""
        self._commands.append(command)

    def set_timer(self, kind: TimerKind, after: timedelta | None, ref: AttemptRef) -> None:
        """Ask for a timer; none is set where there is no limit."""
        if after is not None:
            self._timed = True
            self.ask(SetTimer(TimerId(kind, ref), self.now + after))

    def stop_attempt(self, ref: AttemptRef, unit: Unit, why: Failure) -> None:
        """Request the stop of an open attempt, once, and watch that it is confirmed."""
        if unit.stopping is None:
            self.put_unit(ref, replace(unit, stopping=why))
            self.ask(StopAttempt(ref))
            self.set_timer(TimerKind.STOP, self.graph.stop_grace, ref)

    def decision(self) -> Decision:
        """Freeze what was collected; where nothing changed, the state is the very one from before.

        A timer is a change: it is set by this decision's time, which the state must tell.
        """
        untouched = self.run is self._before and self._steps is None
        if untouched and not (self._events or self._timed):
            return Decision(self._before, tuple(self._commands), ())
        steps = self.run.steps if self._steps is None else MappingProxyType(self._steps)
        state = replace(
            self.run,
            steps=steps,
            now=self.now,
            version=self._before.version + 1,
            seq=self._seq,
            open_steps=self.open_steps,
            between_steps=self.between_steps,
        )
        return Decision(state, tuple(self._commands), tuple(self._events))


def _copied(records: Mapping[_Key, _Record]) -> dict[_Key, _Record]:
    """A dict of its own; of a read-only view the dict behind it, not asked for value by value."""
    return records.copy() if isinstance(records, MappingProxyType) else dict(records)


def failure_data(failure: Failure) -> dict[str, Datum]:
    """A failure as data of a domain event."""
    return {"error": str(failure.error), "message": failure.message}
