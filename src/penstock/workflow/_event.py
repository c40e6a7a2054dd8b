"""What happens to a run: the inputs of `decide`.

An event that comes late, twice, or from an attempt that was replaced changes nothing.
"""

from penstock.base import Value
from penstock.workflow._command import TimerId
from penstock.workflow._errors import Failure
from penstock.workflow._run import AttemptRef


class _Happened(Value, tag_field="kind"):
    """Written down, it says by the name of its class what it is."""


class Submitted(_Happened):
    """The run was accepted; the first event of each run."""

    awaits_upstream: bool = False


class UpstreamArrived(_Happened):
    """All that the run waited for upstream is there."""


class UpstreamFailed(_Happened):
    """What the run waited for upstream will not come."""

    reason: str


class Admitted(_Happened):
    """The engine has room for the run: it may start."""


class Skipped(_Happened):
    """The run shall not happen, for instance because an earlier one still runs."""

    reason: str


class Resolved(_Happened):
    """The answer to `ResolveStep`."""

    step: str
    wanted: bool = True
    """False if `when` said no."""

    items: int = 1
    """How many items the map has; 1 without `map`."""


class NotResolved(_Happened):
    """An expression of `ResolveStep` failed, or gave what cannot be used."""

    step: str
    message: str


class AttemptStarted(_Happened):
    """A worker holds the attempt and begins."""

    ref: AttemptRef


class AttemptBeat(_Happened):
    """The attempt gave a sign of life."""

    ref: AttemptRef


class AttemptSucceeded(_Happened):
    """The attempt did its work; the engine keeps the result."""

    ref: AttemptRef


class AttemptFailed(_Happened):
    """The attempt ended without success, and nothing of it runs any more."""

    ref: AttemptRef
    failure: Failure


class AttemptLost(_Happened):
    """The worker died or lost its lease; nobody saw how the attempt ended."""

    ref: AttemptRef


class AttemptReturned(_Happened):
    """The attempt was handed back undone, for instance because its process drains; it costs nothing."""

    ref: AttemptRef


class AttemptStopped(_Happened):
    """The answer to `StopAttempt`: nothing of the attempt runs, here or on the remote side."""

    ref: AttemptRef


class TimerFired(_Happened):
    """A timer is due."""

    timer: TimerId


class PauseRequested(_Happened):
    """Somebody wants no further attempt to start; open ones go on."""


class ResumeRequested(_Happened):
    """Somebody wants a paused run to go on, or a failed compensation to be tried again."""


class CancelRequested(_Happened):
    """Somebody wants the run to end now."""

    reason: str = ""
    compensate: bool = False
    """Whether what succeeded is undone."""


class ForceRequested(_Happened):
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
