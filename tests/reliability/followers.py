"""A pipeline that follows its source, on the loop of a test."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

from penstock import ingest
from penstock.base import RetryPolicy
from penstock.ingest import IngestOptions, IngestPipeline
from penstock.ingest._figures import Figures
from penstock.storage import StoragePool
from penstock.telemetry import HealthState
from penstock.topology import PipelineContext, make_context
from tests.ingest.workplace import Workplace

_AT_ONCE = RetryPolicy(initial_interval=timedelta(milliseconds=10), maximum_attempts=0)


def pipeline_of(place: Workplace, *, once: bool = False) -> tuple[IngestPipeline, PipelineContext]:
    """The only pipeline of a workplace; it asks a store that fails again at once."""
    config = ingest.validate(place.config)
    context = make_context(config.shared, storage_pool=StoragePool())
    options = IngestOptions(state_dir=config.state_dir, once=once, retry=_AT_ONCE)
    return IngestPipeline("p", config.pipelines["p"], context, options), context


class Follower:
    """The pipeline of a workplace at work."""

    def __init__(self, place: Workplace) -> None:
        self._pipeline, self._context = pipeline_of(place)
        self._health = self._context.health.component("p")
        self._running = asyncio.create_task(self._pipeline.run())

    @property
    def figures(self) -> Figures:
        return self._pipeline.figures

    @property
    def health(self) -> HealthState:
        return self._health.state

    async def until(self, reached: Callable[[], bool]) -> None:
        """Wait for a state of it; if it ends before, that is the failure."""
        while not reached():
            if self._running.done():
                raise AssertionError(f"it ended by itself: {self._running.result()}")
            await asyncio.sleep(0.01)

    async def until_files(self, count: int) -> None:
        """Wait until the rows of so many files are in the table."""
        await self.until(lambda: self.figures.files_processed >= count)

    async def stop(self) -> None:
        """Ask it to stop, and wait for that."""
        self._context.shutdown.request("the test is done")
        await self._running


@asynccontextmanager
async def following(place: Workplace) -> AsyncIterator[Follower]:
    """A follower, stopped in the end."""
    follower = Follower(place)
    try:
        yield follower
    finally:
        await follower.stop()
