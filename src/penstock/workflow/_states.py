"""States as tables: what may follow what, for versions, runs and steps."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final, TypeVar

from penstock.workflow._errors import IllegalTransitionError

AnyState = TypeVar("AnyState", bound=StrEnum)


class VersionState(StrEnum):
    """Where a version of a pipeline definition stands."""

    DRAFT = "DRAFT"
    VALIDATED = "VALIDATED"
    SCHEDULED = "SCHEDULED"
    PAUSED = "PAUSED"
    ARCHIVED = "ARCHIVED"


class RunState(StrEnum):
    """Where a run stands; the last four are final and never change."""

    QUEUED = "QUEUED"
    WAITING_UPSTREAM = "WAITING_UPSTREAM"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    CANCELLING = "CANCELLING"
    COMPENSATING = "COMPENSATING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    SKIPPED = "SKIPPED"

    @property
    def final(self) -> bool:
        """Whether nothing follows."""
        return not RUN_MOVES[self]


class StepState(StrEnum):
    """Where a step of a run stands."""

    PENDING = "PENDING"
    READY = "READY"
    RUNNING = "RUNNING"
    RETRYING = "RETRYING"
    WAITING_APPROVAL = "WAITING_APPROVAL"
    SUCCEEDED = "SUCCEEDED"
    WARNED = "WARNED"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"
    CANCELLED = "CANCELLED"
    COMPENSATED = "COMPENSATED"

    @property
    def ended(self) -> bool:
        """Whether no attempt follows; only compensation may still change an ended step."""
        return self in _ENDED


_V, _R, _S = VersionState, RunState, StepState

VERSION_MOVES: Final[Mapping[VersionState, frozenset[VersionState]]] = {
    _V.DRAFT: frozenset({_V.VALIDATED, _V.ARCHIVED}),
    _V.VALIDATED: frozenset({_V.SCHEDULED, _V.ARCHIVED}),
    _V.SCHEDULED: frozenset({_V.VALIDATED, _V.PAUSED, _V.ARCHIVED}),
    _V.PAUSED: frozenset({_V.VALIDATED, _V.SCHEDULED, _V.ARCHIVED}),
    _V.ARCHIVED: frozenset(),
}

RUN_MOVES: Final[Mapping[RunState, frozenset[RunState]]] = {
    _R.QUEUED: frozenset(
        {_R.WAITING_UPSTREAM, _R.RUNNING, _R.CANCELLED, _R.SKIPPED},
    ),
    _R.WAITING_UPSTREAM: frozenset({_R.QUEUED, _R.FAILED, _R.CANCELLED, _R.SKIPPED}),
    _R.RUNNING: frozenset(
        {_R.PAUSED, _R.CANCELLING, _R.COMPENSATING, _R.SUCCEEDED, _R.FAILED},
    ),
    _R.PAUSED: frozenset(
        {_R.RUNNING, _R.CANCELLING, _R.COMPENSATING, _R.SUCCEEDED, _R.FAILED},
    ),
    _R.CANCELLING: frozenset({_R.COMPENSATING, _R.CANCELLED}),
    _R.COMPENSATING: frozenset({_R.FAILED, _R.CANCELLED}),
    _R.SUCCEEDED: frozenset(),
    _R.FAILED: frozenset(),
    _R.CANCELLED: frozenset(),
    _R.SKIPPED: frozenset(),
}

STEP_MOVES: Final[Mapping[StepState, frozenset[StepState]]] = {
    _S.PENDING: frozenset({_S.READY, _S.SKIPPED, _S.CANCELLED}),
    _S.READY: frozenset(
        {
            _S.RUNNING,
            _S.RETRYING,
            _S.WAITING_APPROVAL,
            _S.SUCCEEDED,
            _S.WARNED,
            _S.FAILED,
            _S.SKIPPED,
            _S.CANCELLED,
        },
    ),
    _S.RUNNING: frozenset(
        {_S.READY, _S.RETRYING, _S.SUCCEEDED, _S.WARNED, _S.FAILED, _S.CANCELLED},
    ),
    _S.RETRYING: frozenset({_S.READY, _S.RUNNING, _S.FAILED, _S.CANCELLED}),
    _S.WAITING_APPROVAL: frozenset({_S.READY, _S.FAILED, _S.SKIPPED, _S.CANCELLED}),
    _S.SUCCEEDED: frozenset({_S.COMPENSATED}),
    _S.WARNED: frozenset({_S.COMPENSATED}),
    _S.FAILED: frozenset({_S.COMPENSATED}),
    _S.SKIPPED: frozenset(),
    _S.CANCELLED: frozenset({_S.COMPENSATED}),
    _S.COMPENSATED: frozenset(),
}

_ENDED: Final = frozenset(
    {_S.SUCCEEDED, _S.WARNED, _S.FAILED, _S.SKIPPED, _S.CANCELLED, _S.COMPENSATED},
)

_TABLES: Final[Mapping[type[StrEnum], Mapping[Any, frozenset[Any]]]] = {
    VersionState: VERSION_MOVES,
    RunState: RUN_MOVES,
    StepState: STEP_MOVES,
}


def advance(subject: str, current: AnyState, to: AnyState) -> AnyState:
    """Return `to` if the table of its kind allows it after `current`.

    Args:
        subject: What the state belongs to, for the error: `run 'r1'`.
        current: The state now.
        to: The state wanted.

    Raises:
        IllegalTransitionError: The table has no such move.
    """
    allowed = _TABLES[type(current)][current]
    if to not in allowed:
        raise IllegalTransitionError(subject, current, to, tuple(sorted(allowed)))
    return to


def allowed_moves(current: AnyState) -> tuple[AnyState, ...]:
    """What may follow `current`, in the order in which the states are declared."""
    return tuple(state for state in type(current) if state in _TABLES[type(current)][current])


def diagram(kind: type[VersionState] | type[RunState] | type[StepState]) -> str:
    """The table of `kind` as a Mermaid state diagram, one move per line, ending in a newline."""
    states: list[Any] = list(kind)
    lines = ["stateDiagram-v2", f"    [*] --> {states[0]}"]
    for state in states:
        moves = allowed_moves(state)
        lines += [f"    {state} --> {move}" for move in moves]
        if not moves:
            lines.append(f"    {state} --> [*]")
    return "\n".join(lines) + "\n"
