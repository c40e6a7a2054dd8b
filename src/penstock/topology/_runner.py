"""Runs pipelines in a context: spawn, listen to signals, collect, report."""

from collections.abc import Sequence

from penstock.telemetry import get_logger
from penstock.topology._context import PipelineContext
from penstock.topology._outcomes import Stats, TaskError, TaskOutput
from penstock.topology._pipeline import Pipeline, Supervisor
from penstock.topology._running import RunningTopology
from penstock.topology._signals import listening
from penstock.topology._supervision import Supervision

_log = get_logger("topology")


class PipelineRunner:
    """Starts pipelines after their jitter, drains them at a signal, and logs how each one ended."""

    def __init__(
        self, context: PipelineContext, *, typetag: str, supervision: Supervision | None = None
    ) -> None:
        """Say how pipelines are run.

        Args:
            context: What they share.
            typetag: What kind of pipelines they are: `ingest`, for one.
            supervision: What a failure does, and how long a drain may take.
        """
        self._context = context
        self._typetag = typetag
        self._supervision = supervision or Supervision()

    def spawn(self, pipelines: Sequence[Pipeline]) -> RunningTopology:
        """A topology of `pipelines`; the caller starts it.

        Raises:
            TopologyError: Two pipelines have the same key.
        """
        supervisors = [
            Supervisor(pipeline, self._typetag, self._context, self._supervision)
            for pipeline in pipelines
        ]
        return RunningTopology(
            supervisors,
            self._context,
            typetag=self._typetag,
            drain_deadline=self._supervision.drain_deadline,
        )

    async def run(self, pipelines: Sequence[Pipeline]) -> Stats:
        """Run `pipelines` to their ends: SIGINT, SIGTERM or SIGQUIT drains, a second one cancels.

        A pipeline that fails is an outcome, not an exception.

        Raises:
            TopologyError: Two pipelines have the same key.
        """
        topology = self.spawn(pipelines)
        with listening(topology.signalled):
            stats = await topology.run_to_completion()
        self._report(stats)
        return stats

    def _report(self, stats: Stats) -> None:
        for key, outcome in stats.outcomes.items():
            log = _log.bind(
                pipeline=key, typetag=self._typetag, restarts=stats.restarts.get(key, 0)
            )
            match outcome:
                case TaskOutput(message=message):
                    log.info("pipeline completed", result=message)
                case TaskError.Cancelled(reason=reason):
                    log.warning("pipeline cancelled", reason=str(reason))
                case TaskError.Failed(error=error):
                    log.error("pipeline failed", error_class=type(error).__name__, error=str(error))
                case TaskError.Panicked(error=panic):
                    log.error("pipeline panicked", error_class=type(panic).__name__, exc_info=panic)
