"""What an engine must take up again when it starts on a run that somebody else left."""

from collections.abc import Iterator

from penstock.workflow._command import AskAdmission, Command, ResolveStep, StartAttempt, StopAttempt
from penstock.workflow._run import UNRESOLVED, WHOLE, AttemptRef, RunRecord, StepRecord, Unit
from penstock.workflow._states import RunState, StepState


def outstanding(state: RunRecord) -> tuple[Command, ...]:
    """Return the commands that `state` still waits for, in a fixed order.

    Together with the stored timers they are all that a run needs to go on after a crash. Attempts
    that were running are not among them: the engine reports those as `AttemptLost` once their
    lease has run out, or takes them up again itself where they outlived it.
    """
    if not state.submitted:
        return ()
    if state.state is RunState.QUEUED:
        return (AskAdmission(),)
    found: list[Command] = []
    for name in state.graph.order:
        found += _of_step(state, state.steps[name])
    return tuple(found)


def _of_step(state: RunRecord, record: StepRecord) -> Iterator[Command]:
    if record.state is StepState.READY and record.total == UNRESOLVED:
        yield ResolveStep(record.name)
    for item, unit in record.units.items():
        yield from _of_unit(state, AttemptRef(record.name, item, unit.number), unit, "")
    if record.undo_unit is not None:
        ref = AttemptRef(record.name, WHOLE, record.undo_unit.number, undo=True)
        yield from _of_unit(state, ref, record.undo_unit, record.origin)


def _of_unit(state: RunRecord, ref: AttemptRef, unit: Unit, origin: str) -> Iterator[Command]:
    if unit.stopping is not None:
        yield StopAttempt(ref)
    elif unit.state is StepState.READY and state.state is not RunState.PAUSED:
        yield StartAttempt(ref, ref.key(origin or state.run))
