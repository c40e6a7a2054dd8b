"""A topology starts, drains and stops as a whole, whatever it is told and when."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.testing import FakeClock
from penstock.topology import (
    CancelReason,
    ExitReason,
    GlobalConfig,
    Pipeline,
    PipelineContext,
    PipelineRunner,
    Stats,
    Supervision,
    TaskError,
    TaskOutput,
    TopologyError,
    make_context,
)


def test_a_drain_lets_work_in_hand_finish(
    context: PipelineContext, clock: FakeClock, follower: Callable[[str], Pipeline]
) -> None:
    """A stop must not be worse than waiting a moment longer."""

    async def scenario() -> Stats:
        topology = PipelineRunner(context, typetag="t").spawn([follower("a"), follower("b")])
        topology.start()
        await clock.advance(17)
        topology.drain("the operator")
        await clock.advance(1)
        return await topology.wait_stopped()

    stats = asyncio.run(scenario())

    assert stats.outcomes == {"a": TaskOutput("3 polls"), "b": TaskOutput("3 polls")}
    assert (stats.stopped_by, stats.exit_reason) == ("the operator", ExitReason.DONE)


def test_what_has_not_drained_at_the_deadline_is_cancelled_and_named(
    context: PipelineContext,
    clock: FakeClock,
    follower: Callable[[str], Pipeline],
    stuck: Pipeline,
) -> None:
    """A container is killed soon after; an outcome that is told is better."""

    async def scenario() -> tuple[Stats, float]:
        supervision = Supervision(drain_deadline=timedelta(seconds=20))
        runner = PipelineRunner(context, typetag="t", supervision=supervision)
        topology = runner.spawn([stuck, follower("b")])
        topology.start()
        await clock.settle()
        topology.drain()
        await clock.advance(19.9)
        running = not topology._main.done()
        await clock.advance(0.2)
        return await topology.wait_stopped(), running

    stats, still_running_before = asyncio.run(scenario())

    assert still_running_before
    assert stats.outcomes["stuck"] == TaskError.Cancelled(CancelReason.DRAIN_DEADLINE)
    assert isinstance(stats.outcomes["b"], TaskOutput)
    assert stats.exit_code == 4


def test_the_first_signal_drains_and_the_second_cancels(
    context: PipelineContext, clock: FakeClock, stuck: Pipeline
) -> None:
    """Whoever presses twice means it."""

    async def scenario() -> Stats:
        topology = PipelineRunner(context, typetag="t").spawn([stuck])
        topology.start()
        await clock.settle()
        topology.signalled(15, "SIGTERM")
        await clock.settle()
        assert not topology._main.done()
        topology.signalled(2, "SIGINT")
        return await topology.wait_stopped()

    stats = asyncio.run(scenario())

    assert stats.outcomes == {"stuck": TaskError.Cancelled(CancelReason.SIGNAL)}
    assert (stats.stopped_by, stats.exit_code) == ("SIGTERM", 143)


def test_two_pipelines_with_one_key_are_refused(
    context: PipelineContext, follower: Callable[[str], Pipeline]
) -> None:
    """They would write over each other's state."""
    with pytest.raises(TopologyError, match="'a'"):
        PipelineRunner(context, typetag="t").spawn([follower("a"), follower("a"), follower("b")])


@pytest.mark.case("k29")
def test_runs_in_one_process_do_not_stop_one_another(
    pipeline: Callable[..., Pipeline], clock: FakeClock
) -> None:
    """Each run has its own token."""

    async def scenario() -> list[bool]:
        contexts = [make_context(GlobalConfig(), clock=clock) for _ in range(2)]

        def wait_for(context: PipelineContext) -> Pipeline:
            async def work() -> str:
                await context.shutdown.wait()
                return "told"

            return pipeline("a", work)

        one, other = (
            PipelineRunner(context, typetag="t").spawn([wait_for(context)]) for context in contexts
        )
        one.start()
        other.start()
        one.drain()
        await clock.settle()
        ended = [one._main.done(), other._main.done()]
        other.stop()
        await other.wait_stopped()
        await one.wait_stopped()
        return ended

    assert asyncio.run(scenario()) == [True, False]


def test_cancelling_the_wait_cancels_the_pipelines(
    context: PipelineContext, stuck: Pipeline
) -> None:
    """A test with a timeout must not leave work behind."""

    async def scenario() -> set[str]:
        task = asyncio.create_task(
            PipelineRunner(context, typetag="t").spawn([stuck]).run_to_completion()
        )
        await asyncio.sleep(0.0)
        await asyncio.sleep(0.0)
        task.cancel()
        await asyncio.wait({task})
        await context.clock.settle()
        return {t.get_name() for t in asyncio.all_tasks() - {asyncio.current_task()}}

    assert asyncio.run(scenario()) == set()


@dataclass
class _Worker(Pipeline):
    """Ends, fails, hangs or follows, as chance has it."""

    name: str
    context: PipelineContext
    chance: random.Random

    @property
    def key(self) -> str:
        return self.name

    async def run(self) -> str:
        plan = self.chance.choice(["end", "follow", "fail", "hang"])
        await self.context.clock.sleep(self.chance.randrange(5))
        if plan == "fail":
            raise RuntimeError("as planned")
        if plan == "hang":
            await asyncio.Event().wait()
        if plan == "follow":
            await self.context.shutdown.wait()
        return "done"


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32))
def test_its_lifecycle_stands_any_order_of_calls(seed: int) -> None:
    """Stop before start, stop twice, drain after the end: all are fine, and nothing stays behind."""
    chance, clock = random.Random(seed), FakeClock()
    context = make_context(GlobalConfig(poll_jitter_secs=chance.choice([0, 3])), clock=clock)

    async def scenario() -> Stats:
        topology = PipelineRunner(context, typetag="t").spawn(
            [_Worker(key, context, chance) for key in "abc"]
        )
        calls = [topology.start, topology.drain, topology.stop, topology.shutdown]
        waits = []
        for _ in range(chance.randrange(1, 8)):
            chance.choice(calls)()
            if chance.random() < 0.3:
                waits.append(asyncio.create_task(topology.wait_stopped()))
            await clock.advance(chance.randrange(3))
        topology.stop()
        stats = await topology.wait_stopped()
        await asyncio.gather(*waits)
        await clock.settle()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert await topology.wait_stopped() == stats
        return stats

    stats = asyncio.run(scenario())

    assert set(stats.outcomes) in (set(), set("abc"))
