"""A context on a fake clock, and pipelines made from functions."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from penstock.testing import FakeClock
from penstock.topology import GlobalConfig, Pipeline, PipelineContext, make_context


@dataclass
class FunctionPipeline(Pipeline):
    """A pipeline whose work is a function."""

    name: str
    work: Callable[[], Awaitable[str]]

    @property
    def key(self) -> str:
        return self.name

    async def run(self) -> str:
        return await self.work()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def context(clock: FakeClock) -> PipelineContext:
    return make_context(GlobalConfig(), clock=clock)


@pytest.fixture
def pipeline() -> Callable[[str, Callable[[], Awaitable[str]]], Pipeline]:
    return FunctionPipeline


@pytest.fixture
def follower(context: PipelineContext) -> Callable[[str], Pipeline]:
    """A pipeline that polls until it is told to stop, and then finishes its work in hand."""

    def make(key: str) -> Pipeline:
        async def work() -> str:
            polls = 0
            while not await context.shutdown.pause(5):
                polls += 1
            await context.clock.sleep(1)
            return f"{polls} polls"

        return FunctionPipeline(key, work)

    return make


@pytest.fixture
def stuck() -> Pipeline:
    """A pipeline that never looks at the shutdown token."""

    async def work() -> str:
        await asyncio.Event().wait()
        return "never"

    return FunctionPipeline("stuck", work)
