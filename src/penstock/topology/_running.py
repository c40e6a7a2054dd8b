"""All pipelines of one run, while they run."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from penstock.base import PenstockError
from penstock.telemetry import get_logger
from penstock.topology._context import PipelineContext
from penstock.topology._outcomes import CancelReason, Stats, TaskOutcome
from penstock.topology._pipeline import Supervisor

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
        supervisors: Sequence[Supervisor],
        context: PipelineContext,
        *,
        typetag: str,
        drain_deadline: timedelta,
    ) -> None:
        """Put it together; nothing runs yet.

        Raises:
            TopologyError: Two pipelines have the same key.
        """
        keys = [supervisor.key for supervisor in supervisors]
        twice = sorted({key for key in keys if keys.count(key) > 1})
        if twice:
            raise TopologyError(f"more than one pipeline has the key {', '.join(map(repr, twice))}")
        self._supervisors = list(supervisors)
        self._context = context
        self._typetag = typetag
        self._deadline_s = drain_deadline.total_seconds()
        self._health = context.health.component(_HEALTH_NAME)
        self._tasks: dict[str, asyncio.Task[TaskOutcome]] = {}
        self._cancelled: CancelReason | None = None
        self._signal = 0
        self._main: asyncio.Task[Stats] | None = None

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
        self._cancelled = self._cancelled or reason
        for supervisor in self._supervisors:
            if supervisor.key in self._tasks:
                supervisor.cancel(self._tasks[supervisor.key], self._cancelled)

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
        return Stats(
            outcomes={key: task.result() for key, task in self._tasks.items()},
            restarts={s.key: s.restarts for s in self._supervisors if s.restarts},
            stopped_by=self._context.shutdown.reason,
            signal=self._signal,
        )

    async def _run_pipelines(self) -> None:
        async with asyncio.TaskGroup() as group:
            for supervisor in self._supervisors:
                self._tasks[supervisor.key] = group.create_task(
                    supervisor.supervise(), name=f"{self._typetag}/{supervisor.key}"
                )

    async def _beat(self) -> None:
        while True:
            self._context.health.beat()
            for supervisor in self._supervisors:
                supervisor.settle()
            await self._context.clock.sleep(_BEAT_S)

    async def _enforce_deadline(self) -> None:
        self._health.idle()
        await self._context.shutdown.wait()
        self._health.stopping()
        await self._context.clock.sleep(self._deadline_s)
        self.stop(CancelReason.DRAIN_DEADLINE)
