"""Jitter spreads pipelines, the same way each time."""

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.testing import FakeClock
from penstock.topology import (
    GlobalConfig,
    Pipeline,
    PipelineRunner,
    TaskOutput,
    make_context,
)


@pytest.mark.case("k30")
@given(st.floats(0.001, 1e6), st.text(), st.text(), st.integers(0, 9))
def test_it_lies_between_0_and_its_bound_and_depends_on_nothing_else(
    bound: float, key: str, seed: str, turn: int
) -> None:
    """A start that cannot be repeated cannot be investigated."""
    contexts = [make_context(GlobalConfig(poll_jitter_secs=bound), seed=seed) for _ in range(2)]

    first, second = (context.jitter(key, turn) for context in contexts)

    assert first == second
    assert 0 <= first < bound


def test_keys_seeds_and_turns_are_spread() -> None:
    """Jitter that is the same for all is none."""
    config = GlobalConfig(poll_jitter_secs=100)
    context, other = make_context(config, seed="host-1"), make_context(config, seed="host-2")

    delays = [context.jitter(f"pipeline-{n}", turn) for n in range(50) for turn in range(4)]

    assert len(set(delays)) == 200
    assert 40 < sum(delays) / 200 < 60
    assert context.jitter("a") != other.jitter("a")


def _starts(clock: FakeClock, jitter: float, pipeline: Callable[..., Pipeline]) -> list[float]:
    context, starts = make_context(GlobalConfig(poll_jitter_secs=jitter), clock=clock), []

    async def work() -> str:
        starts.append(clock.monotonic())
        return "done"

    async def scenario() -> None:
        topology = PipelineRunner(context, typetag="t").spawn(
            [pipeline(f"p{n}", work) for n in range(5)]
        )
        topology.start()
        await clock.advance(60)
        await topology.wait_stopped()

    asyncio.run(scenario())
    return starts


@pytest.mark.case("k30")
def test_zero_disables_it(clock: FakeClock, pipeline: Callable[..., Pipeline]) -> None:
    """Tests and demos want to start now."""
    assert _starts(clock, 0, pipeline) == [0.0] * 5


def test_pipelines_start_after_their_jitter(
    clock: FakeClock, pipeline: Callable[..., Pipeline]
) -> None:
    """A thousand pipelines that list one bucket at once are an attack."""
    starts = _starts(clock, 30, pipeline)

    assert len(set(starts)) == 5
    assert max(starts) < 30


@pytest.mark.case("k29")
def test_a_pipeline_in_its_start_delay_exits_at_once_on_shutdown(
    clock: FakeClock, pipeline: Callable[..., Pipeline]
) -> None:
    """Stopping must not take as long as starting would have."""
    context = make_context(GlobalConfig(poll_jitter_secs=3600), clock=clock)

    async def never() -> str:
        raise AssertionError("it must not start")

    async def scenario():
        topology = PipelineRunner(context, typetag="t").spawn([pipeline("a", never)])
        topology.start()
        await clock.settle()
        topology.shutdown()
        return await topology.wait_stopped()

    stats = asyncio.run(scenario())

    assert stats.outcomes == {"a": TaskOutput("stopped before it began")}
    assert (clock.monotonic(), stats.exit_code) == (0.0, 0)
