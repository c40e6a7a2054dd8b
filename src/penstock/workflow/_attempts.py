"""What happens to one attempt: start, end, time-outs, another try. Forward work and undoing alike."""

import hashlib
from datetime import timedelta
from types import MappingProxyType
from typing import Final

from msgspec.structs import replace

from penstock.workflow._command import StartAttempt, StopAttempt, TimerKind
from penstock.workflow._domain import DomainKind
from penstock.workflow._errors import ErrorClass, Failure
from penstock.workflow._policy import StepRetry, Timeouts
from penstock.workflow._run import WHOLE, AttemptRef, Unit
from penstock.workflow._states import RunState, StepState
from penstock.workflow._turn import Turn

MAX_LOST: Final = 3
"""A unit that takes its worker with it more often than this has failed."""


def jitter(run: str, ref: AttemptRef) -> float:
    """A fraction from 0 to 1 that looks random and is always the same for one attempt of one run."""
    name = f"{ref.key(run)}#{ref.number}".encode()
    return int.from_bytes(hashlib.sha256(name).digest()[:8], "big") / 2**64


def current(turn: Turn, ref: AttemptRef) -> Unit | None:
    """The open unit whose present attempt is `ref`; None if that attempt is over or was replaced."""
    if ref.step not in turn.run.steps:
        return None
    record = turn.step(ref.step)
    unit = record.undo_unit if ref.undo else record.units.get(ref.item)
    return unit if unit is not None and unit.number == ref.number else None


def offer(turn: Turn, ref: AttemptRef) -> None:
    """Ask for the attempt to be started, unless the run is paused: then `ResumeRequested` does it."""
    if turn.run.state is RunState.PAUSED:
        return
    origin = turn.step(ref.step).origin if ref.undo else ""
    turn.ask(StartAttempt(ref, ref.key(origin or turn.run.run)))
    turn.set_timer(TimerKind.QUEUE, timeouts_of(turn, ref).queue, ref)


def started(turn: Turn, ref: AttemptRef) -> None:
    """A worker has it. One that should not run any more is asked to stop, again."""
    unit = current(turn, ref)
    if unit is None:
        turn.ask(StopAttempt(ref))
        return
    if unit.state is not StepState.READY:
        return
    begun = replace(unit, state=StepState.RUNNING, beat_at=turn.now)
    if ref.undo or ref.item != WHOLE:
        turn.put_unit(ref, begun)
    else:
        turn.move_step(ref.step, StepState.RUNNING, {"units": MappingProxyType({WHOLE: begun})})
    if unit.stopping is not None:
        turn.ask(StopAttempt(ref))
        return
    turn.between_steps = False
    limits = timeouts_of(turn, ref)
    turn.set_timer(TimerKind.ATTEMPT, limits.attempt, ref)
    turn.set_timer(TimerKind.HEARTBEAT, limits.heartbeat, ref)


def beat(turn: Turn, ref: AttemptRef) -> None:
    """Note a sign of life."""
    unit = current(turn, ref)
    if unit is not None and unit.state is StepState.RUNNING:
        turn.put_unit(ref, replace(unit, beat_at=turn.now))


def next_try(turn: Turn, ref: AttemptRef, unit: Unit, failure: Failure) -> bool:
    """Put the unit up for another attempt if its policy and the budget allow one.

    Returns:
        Whether there will be one; otherwise nothing was changed.
    """
    following = replace(ref, number=ref.number + 1)
    fresh = replace(unit, number=following.number, stopping=None, alerted=False)
    if failure.error is ErrorClass.LOST:
        if unit.lost >= MAX_LOST:
            return False
        turn.put_unit(ref, replace(fresh, state=StepState.READY, lost=unit.lost + 1))
        offer(turn, following)
        return True
    policy = retry_of(turn, ref)
    failures = unit.failures + 1
    if not policy.allows_class(failures, failure.error):
        return False
    if turn.run.retries >= turn.graph.retry_budget:
        return False
    turn.edit_run(retries=turn.run.retries + 1)
    turn.put_unit(ref, replace(fresh, state=StepState.RETRYING, failures=failures))
    wait = policy.ceiling(failures) * jitter(turn.run.run, ref)
    turn.set_timer(TimerKind.RETRY, timedelta(seconds=wait), following)
    return True


def returned(turn: Turn, ref: AttemptRef, unit: Unit) -> None:
    """Put up again what was handed back undone."""
    following = replace(ref, number=ref.number + 1)
    turn.put_unit(ref, replace(unit, number=following.number, state=StepState.READY))
    offer(turn, following)


def retry_due(turn: Turn, ref: AttemptRef, unit: Unit) -> None:
    """The wait before another attempt is over."""
    if unit.state is StepState.RETRYING:
        turn.put_unit(ref, replace(unit, state=StepState.READY))
        offer(turn, ref)


def overdue(turn: Turn, kind: TimerKind, ref: AttemptRef, unit: Unit) -> None:
    """A limit of the attempt was reached: request its stop, if the limit still holds for it."""
    limits = timeouts_of(turn, ref)
    if kind is TimerKind.STOP:
        _stop_again(turn, ref, unit)
    elif kind is TimerKind.QUEUE:
        if unit.state is StepState.READY and turn.run.state is not RunState.PAUSED:
            _time_out(turn, ref, unit, f"no worker took it within {limits.queue}")
    elif unit.state is not StepState.RUNNING:
        return
    elif kind is TimerKind.ATTEMPT:
        _time_out(turn, ref, unit, f"the attempt took longer than {limits.attempt}")
    elif limits.heartbeat is not None:
        silent = turn.now - unit.beat_at
        if silent < limits.heartbeat:
            turn.set_timer(TimerKind.HEARTBEAT, limits.heartbeat - silent, ref)
        else:
            _time_out(turn, ref, unit, f"no sign of life for {limits.heartbeat}")


def timeouts_of(turn: Turn, ref: AttemptRef) -> Timeouts:
    """The limits that hold for an attempt."""
    node = turn.node(ref.step)
    return node.undo.timeouts if ref.undo and node.undo else node.timeouts


def retry_of(turn: Turn, ref: AttemptRef) -> StepRetry:
    """The retry policy that holds for an attempt."""
    node = turn.node(ref.step)
    return node.undo.retry if ref.undo and node.undo else node.retry


def _time_out(turn: Turn, ref: AttemptRef, unit: Unit, message: str) -> None:
    turn.stop_attempt(ref, unit, Failure(ErrorClass.TIMEOUT, message))


def _stop_again(turn: Turn, ref: AttemptRef, unit: Unit) -> None:
    """Nobody has confirmed the stop: ask again, and raise one alert."""
    if unit.stopping is None:
        return
    turn.ask(StopAttempt(ref))
    turn.set_timer(TimerKind.STOP, turn.graph.stop_grace, ref)
    if not unit.alerted:
        turn.put_unit(ref, replace(unit, alerted=True))
        state = turn.step(ref.step).state
        turn.tell(
            DomainKind.STEP_STOP_UNCONFIRMED,
            state,
            ref.step,
            attempt=ref.number,
            message=unit.stopping.message,
        )


def given_up(turn: Turn, ref: AttemptRef, unit: Unit, failure: Failure) -> Failure:
    """The last failure; it says so where attempts were left that could not be used."""
    policy = retry_of(turn, ref)
    spent = policy.maximum_attempts and unit.failures + 1 >= policy.maximum_attempts
    if spent or failure.error is ErrorClass.LOST:
        return failure
    if failure.error in policy.retry_on:
        why = f"the run has used up its retry budget of {turn.graph.retry_budget}"
    else:
        why = f"'{failure.error}' is not in retry_on"
    return replace(failure, message=f"{failure.message}; not tried again, as {why}")
