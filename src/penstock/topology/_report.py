"""How a pipeline ended, in the log."""

from penstock.telemetry import get_logger
from penstock.topology._outcomes import TaskError, TaskOutcome, TaskOutput

_log = get_logger("topology")


def report(key: str, outcome: TaskOutcome, *, typetag: str, restarts: int) -> None:
    """One line: what was done, or what went wrong."""
    log = _log.bind(pipeline=key, typetag=typetag, restarts=restarts)
    match outcome:
        case TaskOutput(message=message):
            log.info("pipeline completed", result=message)
        case TaskError.Cancelled(reason=reason):
            log.warning("pipeline cancelled", reason=str(reason))
        case TaskError.Failed(error=error):
            log.error("pipeline failed", error_class=type(error).__name__, error=str(error))
        case TaskError.Panicked(error=panic):
            log.error("pipeline panicked", error_class=type(panic).__name__, exc_info=panic)
