"""Runs pipelines in a context: spawn, listen to signals, reload, collect, report."""

import asyncio
from collections.abc import Callable, Sequence

from penstock.telemetry import get_logger
from penstock.topology._context import PipelineContext
from penstock.topology._outcomes import Stats
from penstock.topology._pipeline import Pipeline
from penstock.topology._report import report
from penstock.topology._running import RunningTopology
from penstock.topology._signals import listening
from penstock.topology._spec import PipelineSpec
from penstock.topology._supervision import Supervision

_log = get_logger("topology")

Reload = Callable[[], Sequence[Pipeline | PipelineSpec]]
"""Reads the configuration again, in a thread, and says what is to run from now on; raises what is wrong."""


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

    def spawn(self, pipelines: Sequence[Pipeline | PipelineSpec]) -> RunningTopology:
        """A topology of `pipelines`; the caller starts it.

        Raises:
            TopologyError: Two pipelines have the same key.
        """
        return RunningTopology(
            pipelines, self._context, typetag=self._typetag, supervision=self._supervision
        )

    async def run(
        self, pipelines: Sequence[Pipeline | PipelineSpec], *, reload: Reload | None = None
    ) -> Stats:
        """Run `pipelines` to their ends: SIGINT, SIGTERM or SIGQUIT drains, a second one cancels.

        A pipeline that fails is an outcome, not an exception.

        Args:
            pipelines: What to run at first.
            reload: Called at SIGHUP; what it raises is logged and changes nothing. Without it the
                signal is left alone.

        Raises:
            TopologyError: Two pipelines have the same key.
        """
        topology, asked = self.spawn(pipelines), asyncio.Event()
        with listening(topology.signalled, asked.set if reload else None):
            async with asyncio.TaskGroup() as group:
                reloading = self._reload_when(asked, topology, reload)
                reloader = group.create_task(reloading, name=f"{self._typetag}/reloader")
                try:
                    stats = await topology.run_to_completion()
                finally:
                    reloader.cancel()
        for key, outcome in stats.outcomes.items():
            report(key, outcome, typetag=self._typetag, restarts=stats.restarts.get(key, 0))
        return stats

    async def _reload_when(
        self, asked: asyncio.Event, topology: RunningTopology, reload: Reload | None
    ) -> None:
        while reload is not None:
            await asked.wait()
            asked.clear()
            try:
                await topology.reload(await asyncio.to_thread(reload))
            except Exception as error:  # noqa: BLE001 - the boundary: it goes on with what it has
                _log.error(
                    "the configuration was not reloaded; nothing was changed",
                    error_class=type(error).__name__,
                    error=str(error),
                )
