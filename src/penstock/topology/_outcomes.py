"""How tasks end, and what that means for the whole program."""

from collections.abc import Iterable, Mapping
from enum import Enum, StrEnum

from msgspec import field

from penstock.base import PenstockError, RecordError, Value


class ExitReason(Enum):
    """Why the program ends; the value is the exit code of the command line."""

    DONE = 0
    """All work is done, or a follower was stopped and has drained."""

    FAILED = 1
    FAILURE_LIMIT = 3
    DRAIN_DEADLINE = 4
    DAMAGED_STATE = 5


_GRAVEST_FIRST = (
    ExitReason.DAMAGED_STATE,
    ExitReason.DRAIN_DEADLINE,
    ExitReason.FAILURE_LIMIT,
    ExitReason.FAILED,
)


class PipelineError(PenstockError):
    """A pipeline cannot go on. Raised as it is, it may be restarted; the subclasses never are."""

    exit_reason: ExitReason = ExitReason.FAILED


class FailureLimitError(PipelineError):
    """More work failed than the configuration allows. Look at the dead letters before going on."""

    exit_reason = ExitReason.FAILURE_LIMIT
    exit_code = exit_reason.value


class DamagedStateError(PipelineError):
    """What is stored contradicts itself; going on could lose or double data. A person must look."""

    exit_reason = ExitReason.DAMAGED_STATE
    exit_code = exit_reason.value


class CancelReason(StrEnum):
    """Why work was ended before it was done."""

    DRAIN_DEADLINE = "the drain deadline passed"
    SIGNAL = "a second signal came"
    REQUESTED = "it was asked for"
    INSIDE = "something inside cancelled it"


class TaskOutput(Value):
    """A task came to its end."""

    message: str
    """One line for people: what was done."""

    def __str__(self) -> str:
        return self.message


class TaskError:
    """The ways in which a task ends without coming to its end. They are values, never raised."""

    class Cancelled(Value):
        """It was ended before it was done; what it had in hand is done again after a restart."""

        reason: CancelReason

        def __str__(self) -> str:
            return f"cancelled: {self.reason}"

    class Failed(Value):
        """It raised one of our errors: the message says what to do."""

        error: PenstockError

        def __str__(self) -> str:
            return str(self.error)

    class Panicked(Value):
        """It raised what nobody foresaw: a defect, or a dependency's error that got through."""

        error: Exception

        def __str__(self) -> str:
            return f"{type(self.error).__name__}: {self.error}"


TaskOutcome = TaskOutput | TaskError.Cancelled | TaskError.Failed | TaskError.Panicked


def exit_reason_of(outcome: TaskOutcome) -> ExitReason:
    """What one outcome means for the program."""
    match outcome:
        case TaskOutput():
            return ExitReason.DONE
        case TaskError.Cancelled(reason=CancelReason.DRAIN_DEADLINE):
            return ExitReason.DRAIN_DEADLINE
        case TaskError.Failed(error=PipelineError() as error):
            return error.exit_reason
        case TaskError.Failed(error=RecordError()):
            return ExitReason.DAMAGED_STATE
        case _:
            return ExitReason.FAILED


class Stats(Value):
    """What became of all tasks of one run."""

    outcomes: Mapping[str, TaskOutcome] = field(default_factory=dict)
    """By key."""

    restarts: Mapping[str, int] = field(default_factory=dict)
    """How often each pipeline was started again; those never restarted are missing."""

    stopped_by: str = ""
    """What asked for the stop, `SIGTERM` for one; empty where the work came to its own end."""

    signal: int = 0
    """Number of the first signal; 0 for none."""

    @property
    def exit_reason(self) -> ExitReason:
        """The gravest of all outcomes: damaged state, drain deadline, failure limit, failed."""
        return _gravest(self.outcomes.values())

    @property
    def cut_short(self) -> bool:
        """Whether a second signal ended work before it was done."""
        return any(outcome == _CUT for outcome in self.outcomes.values())

    @property
    def exit_code(self) -> int:
        """For the shell; 128 + the signal where a second one cut work short and nothing else failed."""
        others = _gravest(outcome for outcome in self.outcomes.values() if outcome != _CUT)
        if others is ExitReason.DONE and self.cut_short:
            return 128 + self.signal
        return others.value


_CUT = TaskError.Cancelled(CancelReason.SIGNAL)


def _gravest(outcomes: Iterable[TaskOutcome]) -> ExitReason:
    seen = {exit_reason_of(outcome) for outcome in outcomes}
    return next((reason for reason in _GRAVEST_FIRST if reason in seen), ExitReason.DONE)
