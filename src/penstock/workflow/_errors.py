"""What may go wrong in this room, and how a failed attempt is classed."""

from dataclasses import dataclass
from enum import StrEnum

from penstock.base import PenstockError, Value


class ErrorClass(StrEnum):
    """What kind of failure an executor reports; the retry policy chooses by it."""

    TRANSIENT = "transient"
    """A connection, a busy service: likely gone when tried again."""

    TIMEOUT = "timeout"
    """A time-out of the attempt, its queue or its heartbeat."""

    THROTTLED = "throttled"
    """The other side asked to slow down."""

    USER = "user"
    """The step's own code or query failed."""

    CONFIG = "config"
    """The definition cannot work: a missing file, a wrong expression, a refused login."""

    DATA = "data"
    """The data broke a rule."""

    LOST = "lost"
    """The worker died or lost its lease; what the attempt did is not known."""


class Failure(Value):
    """Why an attempt, a step or a run failed."""

    error: ErrorClass
    message: str
    """What happened, for people."""


class WorkflowError(PenstockError):
    """The branch of all errors of this room."""


@dataclass(eq=False)
class IllegalTransitionError(WorkflowError):
    """A state cannot become the other one; nothing was changed, and the caller has a fault."""

    subject: str
    current: str
    wanted: str
    allowed: tuple[str, ...]

    def __str__(self) -> str:
        allowed = ", ".join(self.allowed) if self.allowed else "nothing: it is final"
        return f"{self.subject} is {self.current}; cannot become {self.wanted} (allowed: {allowed})"


@dataclass(eq=False)
class RefusedError(WorkflowError):
    """A person's request does not fit the run's state; nothing was changed, the reason says what would."""

    run: str
    request: str
    reason: str

    def __str__(self) -> str:
        return f"run {self.run!r} cannot be {self.request}: {self.reason}"


@dataclass(eq=False)
class ExpressionError(WorkflowError):
    """An expression does not parse, or fails on the values at hand; a failure of class `config`."""

    source: str
    column: int
    """1-based, in `source`; 0 where the fault has no place."""

    reason: str

    def __str__(self) -> str:
        place = f" at column {self.column}" if self.column else ""
        return f"the expression {self.source!r} is wrong{place}: {self.reason}"
