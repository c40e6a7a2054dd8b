"""What the kernel answers; and domain events, by which the world is told of each transition."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from msgspec import field

from penstock.base import Value
from penstock.workflow._command import Command
from penstock.workflow._run import RunRecord
from penstock.workflow._states import RunState, StepState


class DomainKind(StrEnum):
    """The public names."""

    QUEUED = "PIPELINE_QUEUED"
    WAITING_UPSTREAM = "PIPELINE_WAITING_UPSTREAM"
    STARTED = "PIPELINE_STARTED"
    PAUSED = "PIPELINE_PAUSED"
    RESUMED = "PIPELINE_RESUMED"
    CANCELLING = "PIPELINE_CANCELLING"
    COMPENSATING = "PIPELINE_COMPENSATING"
    SUCCEEDED = "PIPELINE_SUCCEEDED"
    FAILED = "PIPELINE_FAILED"
    CANCELLED = "PIPELINE_CANCELLED"
    SKIPPED = "PIPELINE_SKIPPED"
    COMPENSATION_RESUMED = "PIPELINE_COMPENSATION_RESUMED"
    COMPENSATION_ENDED = "PIPELINE_COMPENSATION_ENDED"
    STEP_READY = "PIPELINE_STEP_READY"
    STEP_STARTED = "PIPELINE_STEP_STARTED"
    STEP_RETRYING = "PIPELINE_STEP_RETRYING"
    STEP_WAITING_APPROVAL = "PIPELINE_STEP_WAITING_APPROVAL"
    STEP_COMPLETED = "PIPELINE_STEP_COMPLETED"
    STEP_FAILED = "PIPELINE_STEP_FAILED"
    STEP_SKIPPED = "PIPELINE_STEP_SKIPPED"
    STEP_CANCELLED = "PIPELINE_STEP_CANCELLED"
    STEP_STOP_UNCONFIRMED = "PIPELINE_STEP_STOP_UNCONFIRMED"
    STEP_COMPENSATING = "PIPELINE_STEP_COMPENSATING"
    STEP_COMPENSATED = "PIPELINE_STEP_COMPENSATED"
    STEP_COMPENSATION_FAILED = "PIPELINE_STEP_COMPENSATION_FAILED"


_K = DomainKind

RUN_KINDS: Final[Mapping[RunState, DomainKind]] = {
    RunState.QUEUED: _K.QUEUED,
    RunState.WAITING_UPSTREAM: _K.WAITING_UPSTREAM,
    RunState.RUNNING: _K.STARTED,
    RunState.PAUSED: _K.PAUSED,
    RunState.CANCELLING: _K.CANCELLING,
    RunState.COMPENSATING: _K.COMPENSATING,
    RunState.SUCCEEDED: _K.SUCCEEDED,
    RunState.FAILED: _K.FAILED,
    RunState.CANCELLED: _K.CANCELLED,
    RunState.SKIPPED: _K.SKIPPED,
}

STEP_KINDS: Final[Mapping[StepState, DomainKind]] = {
    StepState.READY: _K.STEP_READY,
    StepState.RUNNING: _K.STEP_STARTED,
    StepState.RETRYING: _K.STEP_RETRYING,
    StepState.WAITING_APPROVAL: _K.STEP_WAITING_APPROVAL,
    StepState.SUCCEEDED: _K.STEP_COMPLETED,
    StepState.WARNED: _K.STEP_COMPLETED,
    StepState.FAILED: _K.STEP_FAILED,
    StepState.SKIPPED: _K.STEP_SKIPPED,
    StepState.CANCELLED: _K.STEP_CANCELLED,
    StepState.COMPENSATED: _K.STEP_COMPENSATED,
}

Datum = str | int | bool | tuple[int, ...]


class DomainEvent(Value):
    """One thing that happened to a run, in the order of `seq`; its id is `<run>:<seq>`."""

    seq: int
    """Dense from 1 within the run."""

    kind: DomainKind
    at: datetime
    state: str
    """Of the step or run, after it."""

    step: str = ""
    """Empty for events of the run itself."""

    data: Mapping[str, Datum] = field(default_factory=lambda: MappingProxyType({}))
    """What else is known: `error`, `message`, `reason`, `attempt`, `failed_items`, `compensation`."""


class Decision(NamedTuple):
    """What `decide` answers; a store keeps all three in one transaction."""

    state: RunRecord
    commands: tuple[Command, ...]
    events: tuple[DomainEvent, ...]
