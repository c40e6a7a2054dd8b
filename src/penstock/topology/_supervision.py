"""What happens to a pipeline that fails."""

from datetime import timedelta
from enum import StrEnum

from penstock.base import (
    Config,
    ConfigError,
    Duration,
    MissingExtraError,
    RecordError,
    RetryPolicy,
)
from penstock.topology._outcomes import ExitReason, PipelineError

_USELESS_TO_REPEAT = (ConfigError, MissingExtraError, RecordError)


class FailurePolicy(StrEnum):
    """What the failure of one pipeline does."""

    RESTART = "restart"
    """Start it again, with backoff; once attempts are spent, as `isolate`."""

    ISOLATE = "isolate"
    """Leave it failed; the others go on."""

    STOP_ALL = "stop_all"
    """Leave it failed and drain the others."""


class Supervision(Config):
    """How the pipelines of a run are looked after."""

    on_failure: FailurePolicy = FailurePolicy.RESTART
    """What the failure of one pipeline does."""

    retry: RetryPolicy = RetryPolicy(
        initial_interval=timedelta(seconds=1),
        maximum_interval=timedelta(minutes=5),
        maximum_attempts=0,
    )
    """How soon and how often a failed pipeline is started again: by default without end, five minutes apart at most."""

    stable_after: Duration = timedelta(minutes=5)
    """A pipeline that ran this long without failing starts again from the first backoff."""

    drain_deadline: Duration = timedelta(seconds=30)
    """How long work in hand may take to finish after a stop; then it is cancelled."""

    def restarts(self, attempt: int, error: Exception) -> bool:
        """Whether run number `attempt` (from 1) of a pipeline, ended by `error`, is repeated."""
        return (
            self.on_failure is FailurePolicy.RESTART
            and not final(error)
            and self.retry.allows(attempt, error)
        )


class PipelineSupervision(Config):
    """How one pipeline is looked after, where it differs from the others."""

    on_failure: FailurePolicy | None = None
    """What its failure does; by default as in `global.supervision`."""

    retry: RetryPolicy | None = None
    """How soon and how often it is started again; as a whole instead of `global.supervision.retry`."""

    stable_after: Duration | None = None
    """After how long without failing it starts again from the first backoff; by default as in `global.supervision`."""

    def over(self, shared: Supervision) -> Supervision:
        """What is written here, and for the rest what all share."""
        own = {name: getattr(self, name) for name in type(self).model_fields}
        written = {name: value for name, value in own.items() if value is not None}
        return shared.model_copy(update=written)


def final(error: Exception) -> bool:
    """Whether another start cannot help: a person must change something first."""
    if isinstance(error, PipelineError):
        return error.exit_reason is not ExitReason.FAILED
    return isinstance(error, _USELESS_TO_REPEAT)
