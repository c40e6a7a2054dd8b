"""The fake clock keeps the contract of a clock."""

import asyncio
from datetime import UTC, datetime, timedelta

from penstock.testing import FakeClock


async def _note(
    clock: FakeClock, name: str, seconds: float, notes: list[tuple[str, float]]
) -> None:
    await clock.sleep(seconds)
    notes.append((name, clock.monotonic()))


def test_sleepers_wake_in_the_order_of_their_deadlines_at_their_times() -> None:
    """What a test sees must not depend on the order in which tasks were started."""

    async def scenario() -> list[tuple[str, float]]:
        clock, notes = FakeClock(), []
        async with asyncio.TaskGroup() as group:
            group.create_task(_note(clock, "late", 5, notes))
            group.create_task(_note(clock, "soon", 1, notes))
            group.create_task(_note(clock, "never", 60, notes)).add_done_callback(lambda _: None)
            await clock.advance(10)
            assert clock.sleepers == 1
            await clock.advance(50)
        return notes

    assert asyncio.run(scenario()) == [("soon", 1.0), ("late", 5.0), ("never", 60.0)]


def test_a_sleeper_that_lies_down_again_on_the_way_wakes_within_one_advance() -> None:
    """Polling loops sleep many times in one advance."""

    async def scenario() -> int:
        clock, turns = FakeClock(), []

        async def poll() -> None:
            while True:
                await clock.sleep(2)
                turns.append(clock.monotonic())

        task = asyncio.create_task(poll())
        await clock.advance(9)
        task.cancel()
        return len(turns)

    assert asyncio.run(scenario()) == 4


def test_the_wall_clock_moves_with_the_monotonic_one() -> None:
    """Records carry wall time, spans are measured by the other: they must agree."""

    async def scenario() -> datetime:
        clock = FakeClock(datetime(2026, 3, 1, tzinfo=UTC))
        await clock.advance(90)
        return clock.now()

    assert asyncio.run(scenario()) == datetime(2026, 3, 1, tzinfo=UTC) + timedelta(seconds=90)


def test_with_autojump_a_long_sleep_takes_no_time() -> None:
    """A whole day of backoff is a fast test."""

    async def scenario() -> float:
        clock = FakeClock(autojump=True)
        await asyncio.gather(clock.sleep(86_400), clock.sleep(3))
        return clock.monotonic()

    assert asyncio.run(scenario()) == 86_400.0


def test_a_cancelled_sleeper_is_gone_and_moves_no_time() -> None:
    """A timeout that was not needed must not pull the clock to its deadline."""

    async def scenario() -> tuple[int, float]:
        clock = FakeClock(autojump=True)
        task = asyncio.create_task(clock.sleep(1_000))
        await asyncio.sleep(0)
        task.cancel()
        await clock.sleep(5)
        return clock.sleepers, clock.monotonic()

    assert asyncio.run(scenario()) == (0, 5.0)
