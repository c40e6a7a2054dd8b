"""The shared limit holds, is fair, and loses no permit."""

import asyncio
import random
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.testing import FakeClock
from penstock.topology import Limiter


async def _hold(limiter: Limiter, key: str, until: asyncio.Event, order: list[str]) -> None:
    async with limiter.hold(key):
        order.append(key)
        await until.wait()


def test_a_backfill_cannot_starve_a_live_pipeline() -> None:
    """One that came late and holds nothing goes before a hundred that wait already."""

    async def scenario() -> list[str]:
        limiter, order = Limiter(2, clock=FakeClock()), []
        gates = [asyncio.Event() for _ in range(11)]
        async with asyncio.TaskGroup() as group:
            for gate in gates[:10]:
                group.create_task(_hold(limiter, "backfill", gate, order))
            await asyncio.sleep(0)
            group.create_task(_hold(limiter, "live", gates[10], order))
            await asyncio.sleep(0)
            gates[0].set()
            await asyncio.sleep(0.0)
            await asyncio.sleep(0.0)
            seen = list(order)
            for gate in gates:
                gate.set()
        return seen

    assert asyncio.run(scenario()) == ["backfill", "backfill", "live"]


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 5), st.integers(1, 4))
def test_whoever_holds_nothing_waits_for_no_more_grants_than_there_are_others(
    seed: int, capacity: int, others: int
) -> None:
    """However many wait before it: a thousand downloads of backfills, and one of the live pipeline.

    Between its grant and its next step, the other holders may end too, and theirs are granted.
    """

    async def scenario() -> list[int]:
        chance, limiter, waits = random.Random(seed), Limiter(capacity, clock=FakeClock()), []

        async def work(key: str) -> None:
            async with limiter.hold(key):
                for _ in range(chance.randrange(3)):
                    await asyncio.sleep(0)

        async with asyncio.TaskGroup() as group:
            for number in range(1000):
                group.create_task(work(f"backfill-{number % others}"))
            await asyncio.sleep(0)
            for _ in range(20):
                before = _granted(limiter)
                async with limiter.hold("live"):
                    waits.append(_granted(limiter) - before - 1)
                waiting = limiter.statistics().waiting
                for _ in range(chance.randrange(5)):
                    await asyncio.sleep(0)
            assert waiting > 300, "the backfills were to wait all the time"
        return waits

    waits = asyncio.run(scenario())

    assert max(waits) <= others + capacity - 1


def _granted(limiter: Limiter) -> int:
    return sum(share.granted for share in limiter.statistics().shares.values())


def test_pipelines_that_hold_alike_take_turns() -> None:
    """Among equals, whoever was served longest ago is next."""

    async def scenario() -> list[str]:
        limiter, order = Limiter(1, clock=FakeClock()), []
        done = asyncio.Event()
        done.set()
        async with asyncio.TaskGroup() as group, limiter.hold("first"):
            for key in "aaabbbc":
                group.create_task(_hold(limiter, key, done, order))
            await asyncio.sleep(0)
        return order

    assert asyncio.run(scenario()) == ["a", "b", "c", "a", "b", "a", "b"]


@pytest.mark.case("k28")
def test_without_a_capacity_everybody_works_at_once() -> None:
    """No limit means no limit, and the counts are still there."""

    async def scenario() -> int:
        limiter, order, gate = Limiter(None, clock=FakeClock()), [], asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for _ in range(50):
                group.create_task(_hold(limiter, "a", gate, order))
            await asyncio.sleep(0)
            held = limiter.statistics().in_use
            gate.set()
        return held

    assert asyncio.run(scenario()) == 50


@pytest.mark.case("k28")
def test_a_permit_comes_back_when_its_work_fails() -> None:
    """Otherwise every failure would make the whole program slower for ever."""

    async def scenario() -> int:
        limiter = Limiter(1, clock=FakeClock())
        with suppress(ZeroDivisionError):
            async with limiter.hold("a"):
                1 / 0  # noqa: B018
        return limiter.statistics().in_use

    assert asyncio.run(scenario()) == 0


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 4))
def test_whatever_is_cancelled_when_no_permit_is_lost_or_doubled(seed: int, capacity: int) -> None:
    """A permit granted in the same turn of the loop as the cancellation is the hard case."""

    async def worker(limiter: Limiter, key: str, turns: int, inside: list[int]) -> None:
        async with limiter.hold(key):
            inside[0] += 1
            assert inside[0] <= capacity
            try:
                for _ in range(turns):
                    await asyncio.sleep(0)
            finally:
                inside[0] -= 1

    async def scenario() -> None:
        chance, limiter, inside = random.Random(seed), Limiter(capacity, clock=FakeClock()), [0]
        tasks = [
            asyncio.create_task(worker(limiter, chance.choice("abc"), chance.randrange(4), inside))
            for _ in range(20)
        ]
        for _ in range(30):
            await asyncio.sleep(0)
            chance.choice(tasks).cancel()
        for _ in range(200):
            await asyncio.sleep(0)
        stuck = [task for task in tasks if task.cancel()]
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert not stuck
        assert all(r is None or isinstance(r, asyncio.CancelledError) for r in results), results
        statistics = limiter.statistics()
        assert (statistics.in_use, statistics.waiting) == (0, 0)
        assert statistics.peak_in_use <= capacity
        assert all(share.held == 0 for share in statistics.shares.values())

    asyncio.run(scenario())


def test_waiting_is_measured_per_pipeline() -> None:
    """It shows who pays for a limit that is too low."""

    async def scenario() -> float:
        clock, gate, order = FakeClock(), asyncio.Event(), []
        limiter = Limiter(1, clock=clock)
        async with asyncio.TaskGroup() as group:
            group.create_task(_hold(limiter, "a", gate, order))
            group.create_task(_hold(limiter, "b", gate, order))
            await clock.advance(3)
            gate.set()
        return limiter.statistics().shares["b"].wait_seconds

    assert asyncio.run(scenario()) == 3.0


def test_a_capacity_below_one_is_refused() -> None:
    """It would stop everything without a word."""
    with pytest.raises(ValueError, match="at least 1"):
        Limiter(0, clock=FakeClock())
