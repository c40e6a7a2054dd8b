"""What happens to a run: the inputs of `decide`.

An event that comes late, twice, or from an attempt that was replaced changes nothing.
"""

from dataclasses import dataclass

from penstock.workflow._command import TimerId
from penstock.workflow._errors import Failure
from penstock.workflow._run import AttemptRef


@dataclass(frozen=True, slots=True)
class Submitted:
    """The run was accepted; the first event of each run."""

    awaits_upstream: bool = False


@dataclass(frozen=True, slots=True)
class UpstreamArrived:
    """All that the run waited for upstream is there."""


@dataclass(frozen=True, slots=True)
class UpstreamFailed:
    """What the run waited for upstream will not come."""

    reason: str


@dataclass(frozen=True, slots=True)
class Admitted:
    """The engine has room for the run: it may start."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """The run shall not happen, for instance because an earlier one still runs."""

    reason: str


@dataclass(frozen=True, slots=True)
class Resolved:
    """The answer to `ResolveStep`."""

    step: str
    wanted: bool = True
    """False if `when` said no."""

    items: int = 1
    """How many items the map has; 1 without `map`."""


@dataclass(frozen=True, slots=True)
class NotResolved:
    """An expression of `ResolveStep` failed, or gave what cannot be used."""

    step: str
    message: str


@dataclass(frozen=True, slots=True)
class AttemptStarted:
    """A worker holds the attempt and begins."""

    ref: AttemptRef


@dataclass(frozen=True, slots=True)
class AttemptBeat:
    """The attempt gave a sign of life."""

    ref: AttemptRef


@dataclass(frozen=True, slots=True)
class AttemptSucceeded:
    """The attempt did its work; the engine keeps the result."""

    ref: AttemptRef


@dataclass(frozen=True, slots=True)
class AttemptFailed:
    """The attempt ended without success, and nothing of it runs any more."""

    ref: AttemptRef
    failure: Failure


@dataclass(frozen=True, slots=True)
class AttemptLost:
    """The worker died or lost its lease; nobody saw how the attempt ended."""

    ref: AttemptRef


@dataclass(frozen=True, slots=True)
class AttemptReturned:
    """The attempt was handed back undone, for instance because its process drains; it costs nothing."""

    ref: AttemptRef


@dataclass(frozen=True, slots=True)
class AttemptStopped:
    """The answer to `StopAttempt`: nothing of the attempt runs, here or on the remote side."""

    ref: AttemptRef


@dataclass(frozen=True, slots=True)
class TimerFired:
    """A timer is due."""

    timer: TimerId


@dataclass(frozen=True, slots=True)
class PauseRequested:
    """Somebody wants no further attempt to start; open ones go on."""


@dataclass(frozen=True, slots=True)
class ResumeRequested:
    """Somebody wants a paused run to go on, or a failed compensation to be tried again."""


@dataclass(frozen=True, slots=True)
class CancelRequested:
    """Somebody wants the run to end now."""

    reason: str = ""
    compensate: bool = False
    """Whether what succeeded is undone."""


@dataclass(frozen=True, slots=True)
class ForceRequested:
    """Somebody gives up waiting for a confirmed stop, or for a compensation."""


Event = (
    Submitted
    | UpstreamArrived
    | UpstreamFailed
    | Admitted
    | Skipped
    | Resolved
    | NotResolved
    | AttemptStarted
    | AttemptBeat
    | AttemptSucceeded
    | AttemptFailed
    | AttemptLost
    | AttemptReturned
    | AttemptStopped
    | TimerFired
    | PauseRequested
    | ResumeRequested
    | CancelRequested
    | ForceRequested
)
"""All that may happen to a run."""
