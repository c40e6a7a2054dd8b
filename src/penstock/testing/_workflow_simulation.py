"""A whole engine in one object and without time: carries out the kernel's commands in a drawn order."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from penstock.workflow import (
    RunRecord,
    command,
    decide,
    domain,
    errors,
    event,
    graph,
    outstanding,
    record,
    states,
)

START: Final = datetime(2026, 3, 1, tzinfo=UTC)


class Fate(StrEnum):
    """What becomes of an attempt."""

    SUCCEED = "succeed"
    FAIL = "fail"
    """In a way that is worth another attempt."""

    FATAL = "fatal"
    """In a way that is not."""

    LOSE = "lose"
    """Its worker dies."""

    HANG = "hang"
    """It says nothing until it is stopped."""

    RETURN = "return"
    """It is handed back."""


@dataclass(frozen=True)
class Script:
    """What the world answers: the same answers in whatever order they are asked for."""

    fates: Mapping[str, tuple[Fate, ...]] = field(default_factory=dict)
    """By idempotency key: what becomes of each attempt in turn; all later ones succeed."""

    items: Mapping[str, int] = field(default_factory=dict)
    """Items of each map."""

    refused: frozenset[str] = frozenset()
    """Steps whose `when` says no."""


class WorkflowSimulation:
    """One run driven to its end, with every choice taken from a seed.

    Each call of `step` delivers one event. Two simulations of equal arguments do the same.
    Watchdog timers (queue, attempt, heartbeat, step, run) fire only for attempts that hang, unless
    `wild`; retries and repeated stops fire at any moment.
    """

    def __init__(
        self, run: RunRecord | graph.Graph, script: Script, *, seed: int, wild: bool = False
    ) -> None:
        self.state = RunRecord.new("r", run) if isinstance(run, graph.Graph) else run
        self.script = script
        self.chance = random.Random(seed)  # noqa: S311 - it must be repeatable, not secret
        self.now = START
        self.history: list[tuple[event.Event, domain.Decision]] = []
        self.waiting: list[event.Event] = []
        self.timers: dict[command.TimerId, datetime] = {}
        self._wild = wild
        self._tries: dict[str, int] = {}
        self._fated: dict[record.AttemptRef, Fate] = {}
        self._carry_out: dict[type, Callable[[Any], None]] = {
            command.AskAdmission: lambda _: self.waiting.append(event.Admitted()),
            command.ResolveStep: self._resolve,
            command.StartAttempt: self._start,
            command.StopAttempt: self._stop,
            command.SetTimer: self._set_timer,
        }
        self.deliver(event.Submitted())

    @property
    def done(self) -> bool:
        """Whether the run is final and its compensation is not under way."""
        return self.state.state.final and self.state.compensation != "running"

    def finish(self, limit: int = 10_000) -> RunRecord:
        """Deliver events until the run is done.

        Raises:
            AssertionError: It is stuck, or `limit` events were not enough.
        """
        for _ in range(limit):
            if self.done:
                return self.state
            self.step()
        raise AssertionError(f"not done after {limit} events: {self.state}")

    def step(self) -> None:
        """Deliver one event, drawn from all that could happen next."""
        timers = [timer for timer in self.timers if self._may_fire(timer)]
        chosen = (
            self.chance.randrange(len(self.waiting) + len(timers)) if self.waiting or timers else -1
        )
        if chosen < 0:
            raise AssertionError(f"nothing can happen, and the run is not done: {self.state}")
        if chosen < len(self.waiting):
            self.deliver(self.waiting.pop(chosen))
        else:
            self.fire(timers[chosen - len(self.waiting)])

    def fire(self, timer: command.TimerId) -> None:
        """Let a timer be due."""
        self.now = max(self.now, self.timers.pop(timer))
        self.deliver(event.TimerFired(timer))

    def deliver(self, happened: event.Event) -> domain.Decision:
        """Hand one event to the kernel and carry out what it asks for; time moves a little, or back."""
        self.now += timedelta(milliseconds=self.chance.randrange(-5, 20))
        decision = decide(self.state, happened, self.now)
        self.history.append((happened, decision))
        before, self.state = self.state, decision.state
        self._follow(happened, before)
        for asked in decision.commands:
            self._carry_out[type(asked)](asked)
        return decision

    def crash(self) -> None:
        """Lose all that is not stored: what was asked for comes from the state, what ran is lost."""
        self.waiting.clear()
        self._fated.clear()
        for asked in outstanding(self.state):
            self._carry_out[type(asked)](asked)
        for ref in self.running():
            if event.AttemptStopped(ref) not in self.waiting:
                self.waiting.append(event.AttemptLost(ref))

    def running(self) -> list[record.AttemptRef]:
        """The attempts that the state holds to be running, in order."""
        found = []
        for name in self.state.graph.order:
            step = self.state.steps[name]
            for item, unit in step.units.items():
                if unit.state is states.StepState.RUNNING:
                    found.append(record.AttemptRef(name, item, unit.number))
            if step.undo_unit is not None and step.undo_unit.state is states.StepState.RUNNING:
                found.append(record.AttemptRef(name, number=step.undo_unit.number, undo=True))
        return found

    def _follow(self, happened: event.Event, before: RunRecord) -> None:
        """A worker that has begun will end; one that has ended is heard of no more."""
        if isinstance(happened, event.AttemptStarted):
            if _ready(before, happened.ref):
                self._begin(happened.ref)
        elif isinstance(happened, _ENDS):
            self._forget(happened.ref)

    def _forget(self, ref: record.AttemptRef) -> None:
        self._spend(ref)
        self.waiting = [other for other in self.waiting if getattr(other, "ref", None) != ref]

    def _spend(self, ref: record.AttemptRef) -> None:
        """The next attempt meets the next fate; one that a crash cut short meets the same again."""
        if self._fated.pop(ref, None) is not None:
            key = ref.key("")
            self._tries[key] = self._tries.get(key, 0) + 1

    def _begin(self, ref: record.AttemptRef) -> None:
        key = ref.key("")
        count = self._tries.get(key, 0)
        fates = self.script.fates.get(key, ())
        fate = fates[count] if count < len(fates) else Fate.SUCCEED
        self._fated[ref] = fate
        if fate is not Fate.HANG:
            self.waiting.append(_END[fate](ref))

    def _resolve(self, asked: command.ResolveStep) -> None:
        wanted = asked.step not in self.script.refused
        items = self.script.items.get(asked.step, 1)
        self.waiting.append(event.Resolved(asked.step, wanted=wanted, items=items))

    def _start(self, asked: command.StartAttempt) -> None:
        self.waiting.append(event.AttemptStarted(asked.ref))

    def _stop(self, asked: command.StopAttempt) -> None:
        """An attempt that nobody took is withdrawn; the end of a running one races with its stop."""
        if self._fated.get(asked.ref) is Fate.HANG:
            self._spend(asked.ref)
        begun = event.AttemptStarted(asked.ref)
        if begun in self.waiting and self.chance.random() < 0.7:
            self.waiting.remove(begun)
        self.waiting.append(event.AttemptStopped(asked.ref))

    def _set_timer(self, asked: command.SetTimer) -> None:
        self.timers[asked.timer] = asked.due

    def _may_fire(self, timer: command.TimerId) -> bool:
        if self._wild or timer.kind in {command.TimerKind.RETRY, command.TimerKind.STOP}:
            return True
        watched = timer.kind in {command.TimerKind.ATTEMPT, command.TimerKind.HEARTBEAT}
        return watched and self._fated.get(timer.ref) is Fate.HANG


def _ready(state: RunRecord, ref: record.AttemptRef) -> bool:
    """Whether `state` waits for a worker to take the attempt."""
    step = state.steps[ref.step]
    unit = step.undo_unit if ref.undo else step.units.get(ref.item)
    return unit is not None and unit.number == ref.number and unit.state is states.StepState.READY


_ENDS: Final = (
    event.AttemptSucceeded,
    event.AttemptFailed,
    event.AttemptLost,
    event.AttemptStopped,
    event.AttemptReturned,
)

_END: Final[Mapping[Fate, Callable[[record.AttemptRef], event.Event]]] = {
    Fate.SUCCEED: event.AttemptSucceeded,
    Fate.FAIL: lambda ref: event.AttemptFailed(
        ref, errors.Failure(errors.ErrorClass.TRANSIENT, "try again")
    ),
    Fate.FATAL: lambda ref: event.AttemptFailed(
        ref, errors.Failure(errors.ErrorClass.DATA, "a rule is broken")
    ),
    Fate.LOSE: event.AttemptLost,
    Fate.RETURN: event.AttemptReturned,
}
