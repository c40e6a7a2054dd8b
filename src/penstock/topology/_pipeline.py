"""One pipeline under supervision: delayed, run, restarted, reported."""

import asyncio
import random
from typing import Protocol

from penstock.telemetry import HealthState, get_logger
from penstock.topology._context import PipelineContext
from penstock.topology._outcomes import CancelReason, TaskError, TaskOutcome, TaskOutput
from penstock.topology._supervision import FailurePolicy, Supervision
from penstock.topology._task import Task

_log = get_logger("topology")


class Pipeline(Protocol):
    """Work that a topology runs beside other work.

    The pipeline holds the context it was built with. It looks at `context.shutdown` between two
    pieces of work and then returns with what it has in hand finished; a stop that takes longer than
    the drain deadline becomes a cancellation. What it has not finished when it is cancelled or
    killed, it does again at the next start.
    """

    @property
    def key(self) -> str:
        """Its name: unique among the pipelines of a run, the same after a restart."""
        ...

    async def run(self) -> str:
        """Work until all is done or a shutdown is requested; return one line that says what was done.

        It is called again after a failure and starts then from what is stored.

        Raises:
            FailureLimitError: More work failed than is allowed; it will not be called again.
            DamagedStateError: Going on could lose or double data; it will not be called again.
            Exception: Anything else is a failure that another start may overcome.
        """
        ...


class Supervisor:
    """Runs one pipeline to its final outcome, through as many restarts as its supervision allows."""

    def __init__(
        self, pipeline: Pipeline, typetag: str, context: PipelineContext, supervision: Supervision
    ) -> None:
        self.key = pipeline.key
        self.restarts = 0
        self._pipeline = pipeline
        self._typetag = typetag
        self._context = context
        self._supervision = supervision
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

    def cancel(self, task: asyncio.Task[TaskOutcome], reason: CancelReason) -> None:
        """End `task`, which runs `supervise`, before its work is done. Later calls change nothing."""
        if self._cancel_reason is None and not task.done():
            self._cancel_reason = reason
            task.cancel()

    def settle(self) -> None:
        """Count a restarted pipeline that says nothing as healthy once it has run long enough."""
        if self._health.state is HealthState.BACKING_OFF and self._stable():
            self._health.idle()

    async def _until_final(self) -> TaskOutcome:
        if await self._context.shutdown.pause(self._context.jitter(self.key)):
            return TaskOutput("stopped before it began")
        self._health.idle()
        attempt = 1
        while True:
            outcome, stable = await self._run_once()
            if not isinstance(outcome, TaskError.Failed | TaskError.Panicked):
                return outcome
            attempt = 1 if stable else attempt
            if not self._supervision.restarts(attempt, outcome.error):
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
        delay = self._supervision.retry.delay(attempt, self._chance)
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
        return ran >= self._supervision.stable_after.total_seconds()

    def _conclude(self, outcome: TaskOutcome) -> None:
        if isinstance(outcome, TaskOutput):
            self._health.done()
            return
        self._health.failed(str(outcome))
        failed = isinstance(outcome, TaskError.Failed | TaskError.Panicked)
        if failed and self._supervision.on_failure is FailurePolicy.STOP_ALL:
            self._context.shutdown.request(f"pipeline {self.key} failed")
