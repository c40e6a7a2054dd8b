"""Undoing in reverse order what succeeded, and what may have: the saga of a run."""

from collections.abc import Iterator

from penstock.workflow._attempts import given_up, next_try, offer
from penstock.workflow._command import StopAttempt
from penstock.workflow._domain import DomainKind
from penstock.workflow._errors import Failure
from penstock.workflow._run import WHOLE, AttemptRef, Compensation, Ending, StepRecord, Unit
from penstock.workflow._states import RunState, StepState
from penstock.workflow._turn import Turn, failure_data

_OPEN = frozenset({Compensation.WAITING, Compensation.RUNNING, Compensation.FAILED})


def wanted(turn: Turn) -> bool:
    """Whether this run, all of whose steps have ended, has something to undo."""
    if turn.run.ending is Ending.CANCEL:
        asked = turn.run.undo_on_cancel
    else:
        asked = turn.graph.compensate and turn.run.failure is not None
    return asked and any(True for _ in _candidates(turn))


def begin(turn: Turn) -> None:
    """Start the compensation of a run."""
    turn.edit_run(compensation=Compensation.RUNNING)
    turn.move_run(RunState.COMPENSATING)
    for name in list(_candidates(turn)):
        turn.edit(name, undo=Compensation.WAITING)
    pump(turn)


def resume(turn: Turn) -> None:
    """Try a failed compensation again: what is done stays done."""
    turn.edit_run(compensation=Compensation.RUNNING)
    turn.tell(DomainKind.COMPENSATION_RESUMED, turn.run.state)
    for name in turn.graph.order:
        record = turn.step(name)
        if record.undo is Compensation.FAILED:
            number = record.undo_unit.number if record.undo_unit else 1
            turn.edit(name, undo=Compensation.WAITING, undo_unit=Unit(number=number))
    pump(turn)


def give_up(turn: Turn) -> None:
    """End a compensation by force: what is open counts as failed, its remote side as unknown."""
    turn.edit_run(remote_unknown=True)
    for name in turn.graph.order:
        record = turn.step(name)
        if record.undo is Compensation.RUNNING and record.undo_unit is not None:
            ref = AttemptRef(name, WHOLE, record.undo_unit.number, undo=True)
            turn.ask(StopAttempt(ref))
            _fail(turn, ref)
        elif record.undo is Compensation.WAITING:
            turn.edit(name, undo=Compensation.FAILED)
    pump(turn)


def succeeded(turn: Turn, ref: AttemptRef) -> None:
    """A step was undone."""
    turn.edit(ref.step, undo=Compensation.DONE, undo_unit=None)
    turn.move_step(ref.step, StepState.COMPENSATED)
    pump(turn)


def failed(turn: Turn, ref: AttemptRef, unit: Unit, failure: Failure) -> None:
    """An attempt to undo a step is over without success."""
    if next_try(turn, ref, unit, failure):
        return
    failure = given_up(turn, ref, unit, failure)
    _fail(turn, ref)
    state = turn.step(ref.step).state
    turn.tell(
        DomainKind.STEP_COMPENSATION_FAILED,
        state,
        ref.step,
        attempt=ref.number,
        **failure_data(failure),
    )
    pump(turn)


def pump(turn: Turn) -> None:
    """Undo whatever has nothing left to be undone behind it; end when nothing more can be done."""
    behind: set[str] = set()
    for name in reversed(turn.graph.order):
        blocked = any(dependent in behind for dependent in turn.graph.dependents[name])
        record = turn.step(name)
        if record.undo is Compensation.WAITING and not blocked:
            _undo(turn, record)
        if blocked or turn.step(name).undo in _OPEN:
            behind.add(name)
    states = {turn.step(name).undo for name in turn.graph.nodes}
    if Compensation.RUNNING not in states:
        _end(turn, failed=not states.isdisjoint(_OPEN))


def _candidates(turn: Turn) -> Iterator[str]:
    """Steps that succeeded, or may have had effects, and know how to undo them."""
    for name, node in turn.graph.nodes.items():
        record = turn.step(name)
        if node.undo and (record.succeeded or record.unknown):
            yield name


def _undo(turn: Turn, record: StepRecord) -> None:
    unit = record.undo_unit or Unit()
    turn.edit(record.name, undo=Compensation.RUNNING, undo_unit=unit)
    turn.tell(DomainKind.STEP_COMPENSATING, record.state, record.name, attempt=unit.number)
    offer(turn, AttemptRef(record.name, WHOLE, unit.number, undo=True))


def _fail(turn: Turn, ref: AttemptRef) -> None:
    """Leave the number of the next attempt behind, so that nothing more is heard of this one."""
    left = Unit(number=ref.number + 1, state=StepState.RETRYING)
    turn.edit(ref.step, undo=Compensation.FAILED, undo_unit=left)


def _end(turn: Turn, *, failed: bool) -> None:
    outcome = Compensation.FAILED if failed else Compensation.DONE
    turn.edit_run(compensation=outcome)
    if turn.run.state.final:
        turn.tell(DomainKind.COMPENSATION_ENDED, turn.run.state, compensation=str(outcome))
