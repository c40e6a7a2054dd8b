"""One pipeline under supervision: delayed, run, restarted, reported."""

import asyncio
import random

from penstock.telemetry import HealthState, get_logger
from penstock.topology._context import PipelineContext
from penstock.topology._outcomes import CancelReason, TaskError, TaskOutcome, TaskOutput
from penstock.topology._spec import PipelineSpec
from penstock.topology._supervision import FailurePolicy, Supervision
from penstock.topology._task import Task

_log = get_logger("topology")


class Supervisor:
    """Runs one pipeline to its final outcome, through as many restarts as its supervision allows."""

    def __init__(
        self, spec: PipelineSpec, typetag: str, context: PipelineContext, shared: Supervision
    ) -> None:
        """Build the pipeline; it runs from `start` on.

        Args:
            spec: The pipeline.
            typetag: What kind of pipeline it is.
            context: What all share; the pipeline gets a copy with a shutdown token of its own.
            shared: How it is looked after, unless the spec says otherwise.
        """
        self.key = spec.key
        self.spec = spec
        self.supervision = spec.supervision or shared
        self.restarts = 0
        self.task: asyncio.Task[TaskOutcome] | None = None
        self._typetag = typetag
        self._run_shutdown = context.shutdown
        self._context = context.for_one()
        self._pipeline = spec.make(self._context)
        self._health = context.health.component(self.key)
        self._running_since: float | None = None
        self._cancel_reason: CancelReason | None = None
        self._chance = random.Random(f"{context.seed}\0{self.key}")  # noqa: S311 - spreads load, guards nothing
        self._up = context.metrics.gauge(
            "penstock_pipeline_up", "1 while the pipeline runs.", ("pipeline",)
        ).labels(pipeline=self.key)
        self._restart_count = context.metrics.counter(
            "penstock_pipeline_restarts_total", "Starts after a failure.", ("pipeline",)
        ).labels(pipeline=self.key)

    @property
    def failed(self) -> bool:
        """Whether it has ended, and should not have."""
        if self.task is None or not self.task.done() or self.task.cancelled():
            return False
        return not isinstance(self.task.result(), TaskOutput)

    def start(self, group: asyncio.TaskGroup) -> None:
        """Run the pipeline in `group`, after its jitter."""
        self.task = group.create_task(self.supervise(), name=f"{self._typetag}/{self.key}")

    async def drain(self, reason: str) -> None:
        """Let it finish what it has in hand, for as long as its drain deadline says; then cancel it."""
        assert self.task is not None  # noqa: S101 - only what was started is drained
        self._context.shutdown.request(reason)
        deadline = self.supervision.drain_deadline.total_seconds()
        timer = asyncio.create_task(
            self._context.clock.sleep(deadline), name=f"{self._typetag}/{self.key}/drain"
        )
        try:
            await asyncio.wait({self.task, timer}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            timer.cancel()
        self.cancel(CancelReason.DRAIN_DEADLINE)
        await asyncio.wait({self.task})

    async def supervise(self) -> TaskOutcome:
        """The final outcome. Only a cancellation that nobody announced by `cancel` goes through."""
        try:
            outcome = await self._until_final()
        except asyncio.CancelledError:
            if self._cancel_reason is None:
                raise
            outcome = TaskError.Cancelled(self._cancel_reason)
        self._conclude(outcome)
        return outcome

    def cancel(self, reason: CancelReason) -> None:
        """End it before its work is done, if it was started. Later calls change nothing."""
        if self.task is not None and self._cancel_reason is None and not self.task.done():
            self._cancel_reason = reason
            self.task.cancel()

    def settle(self) -> None:
        """Count a restarted pipeline that says nothing as healthy once it has run long enough."""
        if self._health.state is HealthState.BACKING_OFF and self._stable():
            self._health.idle()

    async def _until_final(self) -> TaskOutcome:
        self._health.starting()
        if await self._context.shutdown.pause(self._context.jitter(self.key)):
            return TaskOutput("stopped before it began")
        self._health.idle()
        attempt = 1
        while True:
            outcome, stable = await self._run_once()
            if not isinstance(outcome, TaskError.Failed | TaskError.Panicked):
                return outcome
            attempt = 1 if stable else attempt
            if not self.supervision.restarts(attempt, outcome.error):
                return outcome
            if await self._back_off(attempt, outcome):
                return outcome
            attempt += 1

    async def _run_once(self) -> tuple[TaskOutcome, bool]:
        self._running_since = self._context.clock.monotonic()
        self._up.set(1)
        try:
            outcome = await Task(self.key, self._typetag, self._pipeline.run()).outcome()
            return outcome, self._stable()
        finally:
            self._up.set(0)
            self._running_since = None

    async def _back_off(self, attempt: int, outcome: TaskError.Failed | TaskError.Panicked) -> bool:
        """Wait before the next start; tell whether there will be none because a stop was asked for."""
        delay = self.supervision.retry.delay(attempt, self._chance)
        self._health.backing_off(str(outcome))
        _log.warning(
            "pipeline failed and will be restarted",
            pipeline=self.key,
            attempt=attempt,
            restart_in_seconds=round(delay, 3),
            error_class=type(outcome.error).__name__,
            error=str(outcome.error),
            exc_info=outcome.error if isinstance(outcome, TaskError.Panicked) else None,
        )
        if await self._context.shutdown.pause(delay):
            return True
        self.restarts += 1
        self._restart_count.add()
        return False

    def _stable(self) -> bool:
        if self._running_since is None:
            return False
        ran = self._context.clock.monotonic() - self._running_since
        return ran >= self.supervision.stable_after.total_seconds()

    def _conclude(self, outcome: TaskOutcome) -> None:
        if isinstance(outcome, TaskOutput):
            self._health.done()
            return
        self._health.failed(str(outcome))
        failed = isinstance(outcome, TaskError.Failed | TaskError.Panicked)
        if failed and self.supervision.on_failure is FailurePolicy.STOP_ALL:
            self._run_shutdown.request(f"pipeline {self.key} failed")
