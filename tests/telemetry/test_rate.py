"""The limit keeps count of what it keeps back."""

import asyncio
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from penstock.telemetry import RateLimit
from penstock.testing import FakeClock

_steps = st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"), st.floats(0, 4)))


@given(_steps, st.integers(1, 4))
def test_every_line_is_either_kept_or_counted(
    steps: list[tuple[str, str, float]], count: int
) -> None:
    """What is not shown must at least be known to have been."""
    clock, kept, counted = FakeClock(), 0, 0
    limit = RateLimit(clock, count=count, period=timedelta(seconds=5))

    async def scenario() -> None:
        nonlocal kept, counted
        for site, kind, pause in steps:
            clock._elapsed += pause
            counted += sum(summary.count for summary in limit.expired())
            kept += limit.admits(site, kind)
        counted += sum(summary.count for summary in limit.expired(at_end=True))

    asyncio.run(scenario())

    assert kept + counted == len(steps)


def test_a_new_period_admits_again() -> None:
    """The limit is on a rate, not on a total."""

    async def scenario() -> list[bool]:
        clock = FakeClock()
        limit = RateLimit(clock, count=1, period=timedelta(seconds=10))
        seen = [limit.admits("here", "k"), limit.admits("here", "k")]
        await clock.advance(10)
        assert [summary.count for summary in limit.expired()] == [1]
        return [*seen, limit.admits("here", "k")]

    assert asyncio.run(scenario()) == [True, False, True]
