"""The kernel: one pure function that every engine runs.

It reads no clock, draws no random number, and goes through steps and items in sorted order, so
equal inputs give equal outputs on every engine and in every replay.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from penstock.workflow import _attempts, _event, _saga, _steps
from penstock.workflow._command import AskAdmission, StopAttempt, TimerKind
from penstock.workflow._domain import Decision, DomainKind
from penstock.workflow._errors import ErrorClass, Failure, RefusedError
from penstock.workflow._run import WHOLE, AttemptRef, Compensation, Ending, RunRecord, Unit
from penstock.workflow._states import RunState, StepState
from penstock.workflow._turn import Turn, failure_data

_ACTIVE: Final = frozenset({RunState.RUNNING, RunState.PAUSED, RunState.CANCELLING})
_UNSTARTED: Final = frozenset({RunState.QUEUED, RunState.WAITING_UPSTREAM})


def decide(state: RunRecord, event: _event.Event, now: datetime) -> Decision:
    """Return what follows from `event`: the new state, commands to carry out, domain events to publish.

    Pure: neither argument is changed, and the same arguments always give the same answer.
    Late, repeated and replaced events give `state` itself back, without commands or domain events;
    the one exception is the start of a replaced attempt, which is answered by `StopAttempt`.

    Args:
        state: The run so far; `RunRecord.new` for the first event, `Submitted`.
        event: What happened.
        now: The engine's time, with its zone. An earlier time than the last decision's is taken as
            that one: time never decreases within a run.

    Raises:
        RefusedError: A person's request does not fit the state of the run. Nothing was changed.
    """
    turn = Turn(state, now)
    if isinstance(event, _event.Submitted):
        _submitted(turn, event)
    elif state.submitted:
        _HANDLERS[type(event)](turn, event)
        _finish(turn)
    return turn.decision()


def _submitted(turn: Turn, event: _event.Submitted) -> None:
    if turn.run.submitted:
        return
    turn.edit_run(submitted=True)
    if event.awaits_upstream:
        turn.move_run(RunState.WAITING_UPSTREAM)
        return
    turn.tell(DomainKind.QUEUED, RunState.QUEUED)
    turn.ask(AskAdmission())


def _upstream_arrived(turn: Turn, _: _event.UpstreamArrived) -> None:
    if turn.run.state is RunState.WAITING_UPSTREAM:
        turn.move_run(RunState.QUEUED)
        turn.ask(AskAdmission())


def _upstream_failed(turn: Turn, event: _event.UpstreamFailed) -> None:
    if turn.run.state is RunState.WAITING_UPSTREAM:
        turn.edit_run(failure=Failure(ErrorClass.DATA, event.reason))
        _cancel_pending(turn, event.reason)
        _end_run(turn)


def _admitted(turn: Turn, _: _event.Admitted) -> None:
    if turn.run.state is RunState.QUEUED:
        turn.move_run(RunState.RUNNING)
        turn.set_timer(TimerKind.RUN, turn.graph.timeout, AttemptRef(""))
        _steps.start_ready(turn)


def _skipped(turn: Turn, event: _event.Skipped) -> None:
    if turn.run.state in _UNSTARTED:
        _cancel_pending(turn, event.reason)
        turn.move_run(RunState.SKIPPED, reason=event.reason)


def _resolved(turn: Turn, event: _event.Resolved) -> None:
    if event.step in turn.run.steps:
        _steps.resolved(turn, event.step, wanted=event.wanted, items=event.items)


def _not_resolved(turn: Turn, event: _event.NotResolved) -> None:
    if event.step in turn.run.steps:
        _steps.not_resolved(turn, event.step, event.message)


def _attempt_started(turn: Turn, event: _event.AttemptStarted) -> None:
    _attempts.started(turn, event.ref)
    if event.ref.item != WHOLE and event.ref.step in turn.run.steps:
        _settle_open(turn, event.ref)


def _attempt_beat(turn: Turn, event: _event.AttemptBeat) -> None:
    _attempts.beat(turn, event.ref)


def _attempt_succeeded(turn: Turn, event: _event.AttemptSucceeded) -> None:
    unit = _running(turn, event.ref)
    if unit is None:
        return
    end = _saga.succeeded if event.ref.undo else _steps.succeeded
    end(turn, event.ref)


def _attempt_failed(turn: Turn, event: _event.AttemptFailed) -> None:
    unit = _running(turn, event.ref)
    if unit is None:
        return
    if unit.stopping is not None:
        _over(turn, event.ref, unit, unit.stopping, unknown=True)
    else:
        _over(turn, event.ref, unit, event.failure, unknown=_uncertain(event.failure))


def _attempt_lost(turn: Turn, event: _event.AttemptLost) -> None:
    """While a stop is awaited only its confirmation counts: the remote side may live on."""
    unit = _running(turn, event.ref)
    if unit is None:
        return
    if unit.stopping is not None:
        turn.ask(StopAttempt(event.ref))
        return
    lost = Failure(ErrorClass.LOST, "its worker died or lost its lease")
    _over(turn, event.ref, unit, lost, unknown=True)


def _attempt_returned(turn: Turn, event: _event.AttemptReturned) -> None:
    unit = _attempts.current(turn, event.ref)
    if unit is None or unit.state is StepState.RETRYING:
        return
    if unit.stopping is not None:
        _over(turn, event.ref, unit, unit.stopping, unknown=False)
        return
    _attempts.returned(turn, event.ref, unit)
    if not event.ref.undo:
        _steps.settle(turn, event.ref.step)


def _attempt_stopped(turn: Turn, event: _event.AttemptStopped) -> None:
    unit = _attempts.current(turn, event.ref)
    if unit is not None and unit.stopping is not None:
        began = unit.state is StepState.RUNNING
        _over(turn, event.ref, unit, unit.stopping, unknown=began)


def _timer_fired(turn: Turn, event: _event.TimerFired) -> None:
    kind, ref = event.timer.kind, event.timer.ref
    if kind is TimerKind.RUN:
        _run_overdue(turn)
    elif kind is TimerKind.STEP:
        _step_overdue(turn, ref.step)
    elif (unit := _attempts.current(turn, ref)) is None:
        return
    elif kind is TimerKind.RETRY:
        _attempts.retry_due(turn, ref, unit)
        _settle_open(turn, ref)
    else:
        _attempts.overdue(turn, kind, ref, unit)


def _run_overdue(turn: Turn) -> None:
    if turn.run.state not in {RunState.RUNNING, RunState.PAUSED} or turn.ending:
        return
    why = Failure(ErrorClass.TIMEOUT, f"the run took longer than {turn.graph.timeout}")
    turn.edit_run(ending=Ending.TIMEOUT, failure=turn.run.failure or why)
    _stop_all(turn, why)


def _step_overdue(turn: Turn, name: str) -> None:
    if name not in turn.run.steps or turn.ending:
        return
    record = turn.step(name)
    if record.state is StepState.PENDING or record.state.ended or record.failing is not None:
        return
    limit = turn.node(name).timeouts.step
    _steps.fail_step(turn, name, Failure(ErrorClass.TIMEOUT, f"the step took longer than {limit}"))


def _pause(turn: Turn, _: _event.PauseRequested) -> None:
    if turn.run.state is RunState.PAUSED:
        return
    if turn.run.state is not RunState.RUNNING or turn.ending:
        raise RefusedError(turn.run.run, "paused", f"it is {turn.run.state}, not RUNNING")
    turn.move_run(RunState.PAUSED)


def _resume(turn: Turn, _: _event.ResumeRequested) -> None:
    if turn.run.state is RunState.PAUSED:
        turn.move_run(RunState.RUNNING, DomainKind.RESUMED)
        _offer_ready(turn)
    elif turn.run.state.final and turn.run.compensation is Compensation.FAILED:
        _saga.resume(turn)
    elif turn.run.state is not RunState.RUNNING:
        reason = f"it is {turn.run.state}, and its compensation is {turn.run.compensation}"
        raise RefusedError(turn.run.run, "resumed", reason)


def _cancel(turn: Turn, event: _event.CancelRequested) -> None:
    state = turn.run.state
    if state is RunState.CANCELLING:
        return
    if state.final:
        raise RefusedError(turn.run.run, "cancelled", f"it is {state}, which is final")
    if state is RunState.COMPENSATING:
        raise RefusedError(turn.run.run, "cancelled", "it is being compensated; force ends that")
    turn.edit_run(ending=Ending.CANCEL, undo_on_cancel=event.compensate)
    if state in _UNSTARTED:
        _cancel_pending(turn, event.reason or "cancelled")
        turn.move_run(RunState.CANCELLED, reason=event.reason)
        return
    turn.move_run(RunState.CANCELLING, reason=event.reason)
    _stop_all(turn, Failure(ErrorClass.USER, event.reason or "the run was cancelled"))


def _force(turn: Turn, _: _event.ForceRequested) -> None:
    state = turn.run.state
    if turn.run.compensation is Compensation.RUNNING:
        _saga.give_up(turn)
        return
    if state is not RunState.CANCELLING:
        reason = f"it is {state}; force ends CANCELLING and COMPENSATING, so cancel it first"
        raise RefusedError(turn.run.run, "ended by force", reason)
    turn.edit_run(remote_unknown=True)
    for name in turn.graph.order:
        record = turn.step(name)
        if not record.state.ended:
            turn.edit(name, units=MappingProxyType({}), unknown=True)
            _steps.settle(turn, name)


def _running(turn: Turn, ref: AttemptRef) -> Unit | None:
    """The unit that `ref` works on; a start that was never reported has happened by now."""
    unit = _attempts.current(turn, ref)
    if unit is None or unit.state is StepState.RETRYING:
        return None
    if unit.state is StepState.READY:
        _attempt_started(turn, _event.AttemptStarted(ref))
    return _attempts.current(turn, ref)


def _over(turn: Turn, ref: AttemptRef, unit: Unit, failure: Failure, *, unknown: bool) -> None:
    if ref.undo:
        _saga.failed(turn, ref, unit, failure)
    else:
        _steps.failed(turn, ref, unit, failure, unknown=unknown)


def _uncertain(failure: Failure) -> bool:
    return failure.error in {ErrorClass.TIMEOUT, ErrorClass.LOST}


def _settle_open(turn: Turn, ref: AttemptRef) -> None:
    if not ref.undo and turn.step(ref.step).units:
        _steps.settle(turn, ref.step)


def _stop_all(turn: Turn, why: Failure) -> None:
    """Cancel what has not begun, and request the stop of what has."""
    _cancel_pending(turn, why.message)
    for name in turn.graph.order:
        record = turn.step(name)
        if not record.state.ended:
            _steps.stop_units(turn, name, why)
            _steps.settle(turn, name)


def _cancel_pending(turn: Turn, reason: str) -> None:
    for name in turn.graph.order:
        record = turn.step(name)
        if record.state is StepState.PENDING:
            turn.edit(name, reason=reason)
            turn.move_step(name, StepState.CANCELLED, reason=reason)


def _offer_ready(turn: Turn) -> None:
    for name in turn.graph.order:
        for item, unit in turn.step(name).units.items():
            if unit.state is StepState.READY and unit.stopping is None:
                _attempts.offer(turn, AttemptRef(name, item, unit.number))


def _finish(turn: Turn) -> None:
    """End the run once all steps, and the compensation if there is one, have ended."""
    state = turn.run.state
    if state in _ACTIVE and turn.open_steps == 0:
        if _saga.wanted(turn):
            _saga.begin(turn)
        else:
            _end_run(turn)
    if (
        turn.run.state is RunState.COMPENSATING
        and turn.run.compensation is not Compensation.RUNNING
    ):
        _end_run(turn)


def _end_run(turn: Turn) -> None:
    compensation = str(turn.run.compensation)
    remote = "unknown" if turn.run.remote_unknown else ""
    if turn.run.ending is Ending.CANCEL:
        turn.move_run(RunState.CANCELLED, compensation=compensation, remote=remote)
    elif turn.run.failure is not None:
        data = failure_data(turn.run.failure)
        data |= {"compensation": compensation, "failed_step": turn.run.failed_step}
        data |= {"remote": remote}
        turn.move_run(RunState.FAILED, None, **data)
    else:
        turn.move_run(RunState.SUCCEEDED)


_HANDLERS: Final[Mapping[type, Callable[[Turn, Any], None]]] = {
    _event.UpstreamArrived: _upstream_arrived,
    _event.UpstreamFailed: _upstream_failed,
    _event.Admitted: _admitted,
    _event.Skipped: _skipped,
    _event.Resolved: _resolved,
    _event.NotResolved: _not_resolved,
    _event.AttemptStarted: _attempt_started,
    _event.AttemptBeat: _attempt_beat,
    _event.AttemptSucceeded: _attempt_succeeded,
    _event.AttemptFailed: _attempt_failed,
    _event.AttemptLost: _attempt_lost,
    _event.AttemptReturned: _attempt_returned,
    _event.AttemptStopped: _attempt_stopped,
    _event.TimerFired: _timer_fired,
    _event.PauseRequested: _pause,
    _event.ResumeRequested: _resume,
    _event.CancelRequested: _cancel,
    _event.ForceRequested: _force,
}
