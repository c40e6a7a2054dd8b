"""The machine's clock."""

import asyncio
from datetime import UTC, timedelta

from penstock.base import SystemClock


def test_the_wall_clock_has_its_zone() -> None:
    assert SystemClock().now().tzinfo is UTC
    assert SystemClock().now().utcoffset() == timedelta(0)


def test_the_clock_for_spans_never_goes_backwards() -> None:
    clock = SystemClock()
    readings = [clock.monotonic() for _ in range(1000)]

    assert readings == sorted(readings)


def test_a_sleep_of_less_than_nothing_only_yields() -> None:
    async def scenario() -> bool:
        sleeper = asyncio.create_task(SystemClock().sleep(-5))
        for _ in range(2):
            assert not sleeper.done()
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        return sleeper.done()

    assert asyncio.run(scenario())
