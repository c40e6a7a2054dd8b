"""A run as data: what the kernel decides on, and what a store keeps."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from msgspec import field

from penstock.base import Value
from penstock.workflow._errors import Failure
from penstock.workflow._graph import Graph
from penstock.workflow._states import RunState, StepState

WHOLE: Final = -1
"""The item number of a step without `map`, and of a compensation."""

UNRESOLVED: Final = -1
"""The number of items of a step whose expressions were not evaluated yet."""

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Compensation(StrEnum):
    """How far undoing has come, of a run or of one step."""

    NONE = "none"
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class Ending(StrEnum):
    """Why a run is being stopped before its steps are done."""

    NOT = ""
    CANCEL = "cancelled"
    TIMEOUT = "timed out"


class AttemptRef(Value, order=True):
    """Names one attempt for ever: the number rises with each, so it is the fence too."""

    step: str
    item: int = WHOLE
    number: int = 1
    undo: bool = False
    """Whether it is an attempt of the step's compensation."""

    def key(self, run: str) -> str:
        """The idempotency key for the outside world: the same for all attempts of the same work."""
        item = "" if self.item == WHOLE else f"/{self.item}"
        return f"{run}/{self.step}{item}{'/undo' if self.undo else ''}"


class Unit(Value):
    """Work that is open: a whole step, one item of a map, or a compensation."""

    number: int = 1
    """Of the current attempt."""

    state: StepState = StepState.READY
    """READY, RUNNING or RETRYING."""

    failures: int = 0
    """Failed attempts that count against the retry policy."""

    lost: int = 0
    """Attempts lost with their worker."""

    beat_at: datetime = EPOCH
    """Start of the current attempt, or its latest heartbeat."""

    stopping: Failure | None = None
    """Set once its stop was requested, with the reason; the work is over when that is confirmed."""

    alerted: bool = False
    """Whether an unconfirmed stop was reported."""

    unknown: bool = False
    """Whether some attempt may have had effects that nobody has seen."""


class StepRecord(Value, forbid_unknown_fields=True):
    """One step of a run."""

    name: str
    state: StepState = StepState.PENDING
    units: Mapping[int, Unit] = field(default_factory=lambda: MappingProxyType({}))
    """The open page: by item number, sorted; `WHOLE` for a step without `map`."""

    total: int = UNRESOLVED
    """Items in all, 1 without `map`."""

    opened: int = 0
    """Items taken from the list so far."""

    succeeded: int = 0
    failed: tuple[int, ...] = ()
    """Items that failed for good, in the order in which they did."""

    failing: Failure | None = None
    """Set when the step is lost; nothing of it is tried again."""

    reason: str = ""
    """Why it was skipped, cancelled or failed, for people."""

    blocked: bool = False
    """Whether it was skipped because one of its needs did not succeed."""

    unknown: bool = False
    """Whether effects may exist that no result tells of."""

    origin: str = ""
    """The run that did the work, where it was carried over; empty for this run."""

    undo: Compensation = Compensation.NONE
    undo_unit: Unit | None = None
    """The compensation's open work, or what is left of the failed one."""


class RunRecord(Value):
    """One run: a version's graph, where each step stands, and the number of the last event."""

    run: str
    graph: Graph
    steps: Mapping[str, StepRecord]
    state: RunState = RunState.QUEUED
    submitted: bool = False
    version: int = 0
    """Rises with every decision that changed anything: who writes must have read the last one."""

    seq: int = 0
    """Of the last domain event; dense from 1."""

    now: datetime = EPOCH
    """Of the last decision; never decreases."""

    open_steps: int = 0
    """Steps that have not ended."""

    failure: Failure | None = None
    """Of the first step that failed, or of the run itself."""

    failed_step: str = ""
    """The first step that failed; empty where the run itself did."""

    ending: Ending = Ending.NOT
    undo_on_cancel: bool = False
    compensation: Compensation = Compensation.NONE
    remote_unknown: bool = False
    """Whether it was ended by force, without a confirmed stop."""

    retries: int = 0
    """Taken from the graph's budget."""

    between_steps: bool = False
    """Whether a step has ended since the latest start of an attempt."""

    @staticmethod
    def new(run: str, graph: Graph, carried: Iterable[StepRecord] = ()) -> "RunRecord":
        """A run that nobody has submitted yet.

        Args:
            run: Its id; part of every idempotency key.
            graph: The pinned version.
            carried: Ended steps taken over from an earlier run, as `restart` chooses them.
        """
        steps = {name: StepRecord(name) for name in graph.nodes}
        steps.update({record.name: record for record in carried})
        still_open = sum(not record.state.ended for record in steps.values())
        return RunRecord(run, graph, MappingProxyType(steps), open_steps=still_open)
