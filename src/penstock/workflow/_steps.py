"""What happens to a step: ready, its page of items, its end, and those that wait for it."""

from collections import deque
from types import MappingProxyType
from typing import Final

from msgspec.structs import replace

from penstock.workflow._attempts import given_up, next_try, offer
from penstock.workflow._command import ResolveStep, TimerKind
from penstock.workflow._domain import Datum
from penstock.workflow._errors import ErrorClass, Failure
from penstock.workflow._policy import MAX_ITEMS
from penstock.workflow._run import UNRESOLVED, WHOLE, AttemptRef, StepRecord, Unit
from penstock.workflow._states import StepState
from penstock.workflow._turn import Turn, failure_data

_PASSES: Final = frozenset({StepState.SUCCEEDED, StepState.WARNED})

_ALL_OPEN: Final = MappingProxyType(
    {"total": 1, "opened": 1, "units": MappingProxyType({WHOLE: Unit()})}
)
_ALL_DONE: Final = MappingProxyType({"succeeded": 1, "units": MappingProxyType({})})
"""A step without `map` opens and ends whole: one copy of its record for each."""


def satisfied(record: StepRecord) -> bool:
    """Whether those who need the step may start: it did its work, or its own `when` said no."""
    return record.state in _PASSES or (record.state is StepState.SKIPPED and not record.blocked)


def start_ready(turn: Turn) -> None:
    """Start the steps that wait for nothing, and pass on what was carried over."""
    for name in turn.graph.order:
        _consider(turn, name)


def resolved(turn: Turn, name: str, *, wanted: bool, items: int) -> None:
    """The step's expressions were evaluated."""
    record = turn.step(name)
    if record.state is not StepState.READY or record.total != UNRESOLVED:
        return
    if not wanted:
        turn.edit(name, reason="when")
        turn.move_step(name, StepState.SKIPPED, reason="when")
        _wake(turn, name)
    elif items > MAX_ITEMS:
        not_resolved(turn, name, f"expected at most {MAX_ITEMS} items in map.over, got {items}")
    else:
        _open(turn, name, items)


def not_resolved(turn: Turn, name: str, message: str) -> None:
    """The step cannot even begin."""
    record = turn.step(name)
    if record.state is StepState.READY and record.total == UNRESOLVED:
        turn.edit(name, failing=Failure(ErrorClass.CONFIG, message))
        settle(turn, name)


def succeeded(turn: Turn, ref: AttemptRef) -> None:
    """A unit of the step did its work."""
    record = turn.step(ref.step)
    if ref.item == WHOLE and record.failing is None:
        turn.move_step(ref.step, StepState.SUCCEEDED, _ALL_DONE)
        _ended(turn, ref.step)
        return
    units = {item: unit for item, unit in record.units.items() if item != ref.item}
    turn.edit(ref.step, units=MappingProxyType(units), succeeded=record.succeeded + 1)
    settle(turn, ref.step)


def failed(turn: Turn, ref: AttemptRef, unit: Unit, failure: Failure, *, unknown: bool) -> None:
    """An attempt of the step is over without success, and nothing of it runs any more."""
    marked = replace(unit, unknown=unit.unknown or unknown)
    record = turn.step(ref.step)
    stopped = turn.ending or record.failing is not None
    if not stopped and next_try(turn, ref, marked, failure):
        settle(turn, ref.step, **failure_data(failure), attempt=ref.number)
        return
    turn.put_unit(ref, None)
    turn.edit(ref.step, unknown=record.unknown or marked.unknown)
    if not stopped:
        _count_failure(turn, ref, given_up(turn, ref, marked, failure))
    settle(turn, ref.step)


def fail_step(turn: Turn, name: str, failure: Failure) -> None:
    """Give the step up: nothing of it is tried again, what runs is stopped."""
    turn.edit(name, failing=failure)
    stop_units(turn, name, failure)
    settle(turn, name)


def stop_units(turn: Turn, name: str, why: Failure) -> None:
    """Request the stop of every open attempt; those that wait for a retry are dropped at once."""
    for item, unit in turn.step(name).units.items():
        ref = AttemptRef(name, item, unit.number)
        if unit.state is StepState.RETRYING:
            turn.put_unit(ref, None)
            turn.edit(name, unknown=turn.step(name).unknown or unit.unknown)
        else:
            turn.stop_attempt(ref, unit, why)


def settle(turn: Turn, name: str, **data: Datum) -> None:
    """Bring the step's state in line with its units; end it when none is left."""
    record = turn.step(name)
    if record.state.ended:
        return
    if record.failing is None and not turn.ending:
        record = _fill_page(turn, record)
    if record.units:
        turn.move_step(name, _state_of(turn, record), **data)
        return
    _end(turn, record)
    _ended(turn, name)


def _ended(turn: Turn, name: str) -> None:
    turn.between_steps = True
    _wake(turn, name)


def _count_failure(turn: Turn, ref: AttemptRef, failure: Failure) -> None:
    record = turn.step(ref.step)
    items = (*record.failed, ref.item)
    rule = turn.node(ref.step).mapped
    turn.edit(ref.step, failed=items)
    if len(items) > (rule.allowed(record.total) if rule else 0):
        turn.edit(ref.step, failing=failure)
        stop_units(turn, ref.step, failure)


def _consider(turn: Turn, name: str) -> bool:
    """Let a waiting step go on as soon as its needs allow; True if it was skipped."""
    record = turn.step(name)
    if record.state is not StepState.PENDING:
        return False
    needed = [turn.step(need) for need in turn.node(name).needs]
    blocking = [step.name for step in needed if step.state.ended and not satisfied(step)]
    if blocking:
        reason = f"{blocking[0]} did not succeed"
        turn.edit(name, blocked=True, reason=reason)
        turn.move_step(name, StepState.SKIPPED, reason=reason)
        return True
    if all(step.state.ended for step in needed):
        _make_ready(turn, name)
    return False


def _wake(turn: Turn, name: str) -> None:
    """Look at those that wait for `name`, and for whatever is skipped on the way."""
    waiting = deque([name])
    while waiting:
        for dependent in turn.graph.dependents[waiting.popleft()]:
            if _consider(turn, dependent):
                waiting.append(dependent)


def _make_ready(turn: Turn, name: str) -> None:
    node = turn.node(name)
    whole = not (node.conditional or node.mapped)
    turn.move_step(name, StepState.READY, _ALL_OPEN if whole else {})
    turn.set_timer(TimerKind.STEP, node.timeouts.step, AttemptRef(name))
    if whole:
        offer(turn, AttemptRef(name))
    else:
        turn.ask(ResolveStep(name))


def _open(turn: Turn, name: str, items: int) -> None:
    turn.edit(name, total=items)
    settle(turn, name)


def _fill_page(turn: Turn, record: StepRecord) -> StepRecord:
    """Open further items up to the limit of the page."""
    rule = turn.node(record.name).mapped
    room = (rule.parallel if rule else 1) - len(record.units)
    fresh = range(record.opened, min(record.total, record.opened + room))
    if not fresh:
        return record
    items = [item if rule else WHOLE for item in fresh]
    units = MappingProxyType({**record.units, **dict.fromkeys(items, Unit())})
    changed = turn.edit(record.name, units=units, opened=fresh.stop)
    for item in items:
        offer(turn, AttemptRef(record.name, item))
    return changed


def _state_of(turn: Turn, record: StepRecord) -> StepState:
    """A map stays RUNNING between its items; it is RETRYING only while all that is open waits."""
    states = {unit.state for unit in record.units.values()}
    if StepState.RUNNING in states:
        return StepState.RUNNING
    if StepState.READY not in states:
        return StepState.RETRYING
    begun = record.state is StepState.RUNNING and turn.node(record.name).mapped is not None
    return StepState.RUNNING if begun else StepState.READY


def _end(turn: Turn, record: StepRecord) -> None:
    name = record.name
    if record.failing is not None:
        turn.edit(name, reason=record.failing.message)
        if turn.run.failure is None:
            turn.edit_run(failure=record.failing, failed_step=name)
        counts: dict[str, Datum] = {"failed_items": record.failed} if turn.node(name).mapped else {}
        turn.move_step(name, StepState.FAILED, **failure_data(record.failing), **counts)
    elif record.total == UNRESOLVED or record.succeeded + len(record.failed) < record.total:
        turn.edit(name, reason=str(turn.run.ending))
        turn.move_step(name, StepState.CANCELLED, reason=str(turn.run.ending))
    elif record.failed:
        turn.move_step(name, StepState.WARNED, failed_items=record.failed)
    else:
        turn.move_step(name, StepState.SUCCEEDED)
