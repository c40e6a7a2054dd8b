"""What the kernel asks of an engine, in order; each is harmless when carried out twice."""

from datetime import datetime
from enum import StrEnum
from typing import Final

from penstock.base import Value
from penstock.workflow._run import AttemptRef

_NO_ATTEMPT: Final = AttemptRef("")


class TimerKind(StrEnum):
    """What a timer watches."""

    RUN = "run"
    STEP = "step"
    QUEUE = "queue"
    ATTEMPT = "attempt"
    HEARTBEAT = "heartbeat"
    RETRY = "retry"
    STOP = "stop"


class TimerId(Value, order=True):
    """Names a timer within its run."""

    kind: TimerKind
    ref: AttemptRef = _NO_ATTEMPT
    """The attempt it watches; only `step` is filled for STEP, nothing for RUN."""


class AskAdmission(Value):
    """Send `Admitted` as soon as the limits of the pipeline leave room for this run."""


class ResolveStep(Value):
    """Evaluate the step's `when` and the length of its `map.over`; answer `Resolved` or `NotResolved`."""

    step: str


class StartAttempt(Value):
    """Let a worker take this attempt when the limits leave room; it reports by `Attempt...` events."""

    ref: AttemptRef
    key: str
    """The idempotency key that the executor hands to the outside world."""


class StopAttempt(Value):
    """Stop the attempt, here and on the remote side; answer `AttemptStopped` when that is certain.

    One that no worker has taken is withdrawn, and answered at once.
    """

    ref: AttemptRef


class SetTimer(Value):
    """Send `TimerFired` at `due`; a timer of the same id is replaced.

    Timers of attempts and steps that have ended may be dropped: firing late changes nothing.
    """

    timer: TimerId
    due: datetime


Command = AskAdmission | ResolveStep | StartAttempt | StopAttempt | SetTimer
"""All that the kernel may ask for."""
