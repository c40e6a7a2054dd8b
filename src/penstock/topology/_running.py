"""All pipelines of one run, while they run."""

import asyncio
from collections.abc import Sequence

from penstock.base import PenstockError
from penstock.telemetry import get_logger
from penstock.topology._context import PipelineContext
from penstock.topology._outcomes import CancelReason, Stats
from penstock.topology._pipeline import Pipeline
from penstock.topology._report import report
from penstock.topology._spec import PipelineSpec, specs_of
from penstock.topology._supervision import Supervision
from penstock.topology._supervisor import Supervisor

_log = get_logger("topology")
_BEAT_S = 1.0
_HEALTH_NAME = "topology"


class TopologyError(PenstockError):
    """A topology was put together wrongly; nothing was started."""


class RunningTopology:
    """Starts pipelines together, drains them together, and ends when the last one has ended.

    `start`, `drain`, `stop` and `wait_stopped` may be called in any order and any number of times:
    a topology told to drain or stop before its start starts nothing. Belongs to one event loop.
    """

    def __init__(
        self,
        pipelines: Sequence[Pipeline | PipelineSpec],
        context: PipelineContext,
        *,
        typetag: str,
        supervision: Supervision,
    ) -> None:
        """Put it together; nothing runs yet.

        Raises:
            TopologyError: Two pipelines have the same key.
        """
        self._context = context
        self._typetag = typetag
        self._supervision = supervision
        self._supervisors = {spec.key: self._supervisor(spec) for spec in _distinct(pipelines)}
        self._health = context.health.component(_HEALTH_NAME)
        self._signal = 0
        self._main: asyncio.Task[Stats] | None = None
        self._group: asyncio.TaskGroup | None = None
        self._one_reload = asyncio.Lock()

    def start(self) -> None:
        """Start every pipeline after its jitter."""
        if self._main is None:
            self._main = asyncio.create_task(self._run(), name=f"{self._typetag}/topology")

    def drain(self, reason: str = "requested") -> None:
        """Ask every pipeline to finish what it has in hand; the drain deadline begins."""
        self._context.shutdown.request(reason)

    def shutdown(self) -> None:
        """As `drain`."""
        self.drain()

    def stop(self, reason: CancelReason = CancelReason.REQUESTED) -> None:
        """Cancel every pipeline now."""
        self.drain()
        for supervisor in self._supervisors.values():
            supervisor.cancel(reason)

    async def reload(self, pipelines: Sequence[Pipeline | PipelineSpec]) -> None:
        """Go on with `pipelines`: drain only what has changed or is gone, then start what is new.

        A pipeline whose configuration is equal goes on untouched; its supervision is taken over.
        One that has failed is started again, for whoever reloads has looked. All that is new is built before anything is drained, and starts, after its jitter, when the last
        one that is drained has ended: it may have its place. What does not drain in time is
        cancelled. Before the start, after the end and once a stop was asked for, nothing happens.

        Raises:
            TopologyError: Two pipelines have the same key; nothing was changed.
        """
        specs = _distinct(pipelines)
        async with self._one_reload:
            group = self._group
            if group is None or self._context.shutdown.requested or not self._busy():
                return
            fresh = {spec.key: self._supervisor(spec) for spec in specs if self._differs(spec)}
            exchange = self._exchange(specs, fresh, group)
            await asyncio.shield(group.create_task(exchange, name=f"{self._typetag}/reload"))

    def signalled(self, number: int, name: str) -> None:
        """A signal came: the first one drains, the next one cancels."""
        if self._signal:
            self.stop(CancelReason.SIGNAL)
            return
        self._signal = number
        _log.info("finishing what is in hand; another signal ends it at once", signal=name)
        self.drain(name)

    async def wait_stopped(self) -> Stats:
        """Wait until every pipeline has ended, and say how; a topology never started has no outcomes.

        Cancelling this call cancels the pipelines.
        """
        if self._main is None:
            return Stats(stopped_by=self._context.shutdown.reason, signal=self._signal)
        return await self._main

    async def run_to_completion(self) -> Stats:
        """Start, and wait until every pipeline has ended."""
        self.start()
        return await self.wait_stopped()

    async def _run(self) -> Stats:
        async with asyncio.TaskGroup() as watchers:
            watching = [
                watchers.create_task(self._beat(), name=f"{self._typetag}/heartbeat"),
                watchers.create_task(self._enforce_deadline(), name=f"{self._typetag}/deadline"),
            ]
            try:
                await self._run_pipelines()
            finally:
                for task in watching:
                    task.cancel()
                self._context.health.rest()
        self._health.done()
        ended = self._supervisors.values()
        return Stats(
            outcomes={one.key: one.task.result() for one in ended if one.task is not None},
            restarts={one.key: one.restarts for one in ended if one.restarts},
            stopped_by=self._context.shutdown.reason,
            signal=self._signal,
        )

    async def _run_pipelines(self) -> None:
        try:
            async with asyncio.TaskGroup() as self._group:
                for supervisor in self._supervisors.values():
                    supervisor.start(self._group)
        finally:
            self._group = None

    def _supervisor(self, spec: PipelineSpec) -> Supervisor:
        return Supervisor(spec, self._typetag, self._context, self._supervision)

    def _differs(self, spec: PipelineSpec) -> bool:
        known = self._supervisors.get(spec.key)
        return known is None or known.failed or known.spec.configuration != spec.configuration

    def _busy(self) -> bool:
        return any(one.task and not one.task.done() for one in self._supervisors.values())

    async def _exchange(
        self,
        specs: Sequence[PipelineSpec],
        fresh: dict[str, Supervisor],
        group: asyncio.TaskGroup,
    ) -> None:
        keys = [spec.key for spec in specs]
        known = dict(self._supervisors)
        leaving = {key: one for key, one in known.items() if key in fresh or key not in keys}
        async with asyncio.TaskGroup() as draining:
            for one in leaving.values():
                draining.create_task(one.drain("reload"), name=f"{self._typetag}/{one.key}/leaves")
        for key in leaving.keys() - set(keys):
            self._forget(self._supervisors.pop(key))
        if self._context.shutdown.requested:
            return
        for spec in specs:
            if spec.key not in fresh:
                known[spec.key].supervision = spec.supervision or self._supervision
        self._supervisors = {key: fresh.get(key) or known[key] for key in keys}
        for one in fresh.values():
            one.start(group)
        _log.info(
            "the configuration was reloaded",
            untouched=[key for key in keys if key not in fresh],
            started_anew=[key for key in keys if key in fresh and key in known],
            new=[key for key in keys if key not in known],
            removed=[key for key in leaving if key not in keys],
        )

    def _forget(self, gone: Supervisor) -> None:
        """What was removed is told now, and counts for nothing at the end of the run."""
        self._context.health.forget(gone.key)
        if gone.task is not None:
            report(gone.key, gone.task.result(), typetag=self._typetag, restarts=gone.restarts)

    async def _beat(self) -> None:
        while True:
            self._context.health.beat()
            for supervisor in self._supervisors.values():
                supervisor.settle()
            await self._context.clock.sleep(_BEAT_S)

    async def _enforce_deadline(self) -> None:
        self._health.idle()
        await self._context.shutdown.wait()
        self._health.stopping()
        await self._context.clock.sleep(self._supervision.drain_deadline.total_seconds())
        self.stop(CancelReason.DRAIN_DEADLINE)


def _distinct(pipelines: Sequence[Pipeline | PipelineSpec]) -> list[PipelineSpec]:
    specs = specs_of(pipelines)
    keys = [spec.key for spec in specs]
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice:
        raise TopologyError(f"more than one pipeline has the key {', '.join(map(repr, twice))}")
    return specs
