"""Budgets: retries that successes have earned, and the dead letters that a flow may lose."""

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock import Flow, RetryPolicy, stage
from penstock.flow import FlowError, FlowFailedError, FlowReport
from penstock.flow._budgets import RetryBudget
from penstock.testing import CrashingSource, FakeClock, ListSource

SOON = RetryPolicy(maximum_attempts=5, initial_interval="0s", maximum_interval="0s")


def run_with(fails: Any, messages: int, retry: RetryPolicy = SOON, **options: Any) -> FlowReport:
    @stage(retry=retry)
    async def work(number: int) -> int:
        if fails(number):
            raise OSError("down")
        return number

    clock = FakeClock(autojump=True)
    flow = Flow("budget", clock=clock, **options) | ListSource(range(messages)) | work
    return asyncio.run((flow | (lambda _: None)).run_async())


def test_retries_are_bounded_by_what_came_through() -> None:
    """When a service is down, retries would keep it there; 100 are always allowed, so that few messages can be saved."""
    report = run_with(lambda number: number >= 1000, 2000, retry_budget=0.2)

    reasons = [letter.reason for letter in report.dead_letters]
    assert report.stages["work"].retries == 100 + 0.2 * 1000
    assert report.dead == 1000
    assert reasons.count("retry budget") > 900
    assert report.statistics.balanced


def test_without_a_budget_every_failure_is_tried_again() -> None:
    """As its policy says."""
    report = run_with(lambda number: number >= 100, 200)

    assert report.stages["work"].retries == 400


@settings(max_examples=100, deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.floats(0, 8), st.integers(0, 300), st.integers(0, 80)), max_size=40
    ),
    ratio=st.sampled_from([0.0, 0.2, 1.0]),
)
def test_no_ten_seconds_see_more_retries_than_are_earned(steps, ratio) -> None:
    """Quiet hours earn nothing for a storm: what is older than the window is forgotten."""

    async def scenario() -> None:
        clock, succeeded = FakeClock(), 0
        budget = RetryBudget(ratio, lambda: succeeded, clock)
        made: list[tuple[float, int]] = []
        for seconds, successes, asked in steps:
            await clock.advance(seconds)
            succeeded += successes
            granted = sum(budget.spend() for _ in range(asked))
            made.append((clock.monotonic(), granted, successes))
            inside = [one for one in made if one[0] > clock.monotonic() - 10]
            around = [one for one in made if one[0] > clock.monotonic() - 18]
            assert sum(one[1] for one in inside) <= 100 + ratio * sum(one[2] for one in around)

    asyncio.run(scenario())


def test_what_was_spent_comes_back_with_time() -> None:
    """A short outage must not cost all retries for ever."""

    async def scenario() -> list[int]:
        clock, granted = FakeClock(), []
        budget = RetryBudget(0.0, lambda: 0, clock)
        for seconds in (0, 5, 6.1, 3600):
            await clock.advance(seconds)
            granted.append(sum(budget.spend() for _ in range(500)))
        return granted

    assert asyncio.run(scenario()) == [100, 0, 100, 100]


def test_quiet_hours_earn_nothing_for_a_storm() -> None:
    """Only the successes of the last ten seconds do, or their share where nobody looked for longer."""

    async def scenario() -> int:
        clock = FakeClock()
        budget = RetryBudget(0.5, lambda: int(clock.monotonic() * 20), clock)
        await clock.advance(3600)
        return sum(budget.spend() for _ in range(50_000))

    assert asyncio.run(scenario()) == 100 + 0.5 * 20 * 10


def test_one_dead_letter_too_many_ends_the_flow() -> None:
    """Each is recorded, the rest is handed back, and a program that ends by it says so with code 3."""
    with pytest.raises(
        FlowFailedError, match=r"error budget max_dead=10 is spent: 11 mess"
    ) as caught:
        run_with(lambda number: number % 2, 1000, retry=RetryPolicy(), max_dead=10)

    report = caught.value.report
    assert caught.value.exit_code == 3
    assert (report.dead, report.ending) == (11, "failed")
    assert len(list(report.dead_letters)) == 11
    assert report.in_flight > 0
    assert report.statistics.balanced


def test_as_many_as_allowed_are_allowed() -> None:
    """The limit itself is not beyond it."""
    report = run_with(lambda number: number < 10, 50, retry=RetryPolicy(), max_dead=10)

    assert (report.dead, report.delivered) == (10, 40)
    with pytest.raises(FlowFailedError, match="max_dead=0"):
        run_with(lambda number: number == 3, 50, retry=RetryPolicy(), max_dead=0)


def test_a_ratio_is_looked_at_from_a_sample_on_and_at_the_end() -> None:
    """The first message that fails is not a failure of all; the last look is at all there were."""
    policy = RetryPolicy()
    with pytest.raises(FlowFailedError, match=r"max_dead_ratio=0.1 is spent") as caught:
        run_with(lambda number: number % 5 == 0, 5000, retry=policy, max_dead_ratio=0.1)
    assert 20 <= caught.value.report.dead <= 60

    early = run_with(lambda number: number < 20, 1000, retry=policy, max_dead_ratio=0.05)
    assert (early.dead, early.ending) == (20, "finished")

    with pytest.raises(FlowFailedError, match="2 of 20 messages are dead") as caught:
        run_with(lambda number: number < 2, 20, retry=policy, max_dead_ratio=0.05)
    assert (caught.value.report.delivered, caught.value.report.in_flight) == (18, 0)
    assert caught.value.exit_code == 3


def test_other_failures_keep_their_exit_code() -> None:
    """Only a limit that is reached is one."""
    source = CrashingSource([1, 2], 1)

    with pytest.raises(FlowFailedError) as caught:
        (Flow("gone", max_dead=1) | source | print).run()

    assert caught.value.exit_code == 1


@pytest.mark.parametrize(
    "options", [{"retry_budget": -0.1}, {"max_dead": -1}, {"max_dead_ratio": 1.0}]
)
def test_budgets_that_cannot_be_kept_are_refused(options: dict[str, Any]) -> None:
    """With the value and what is expected."""
    with pytest.raises(FlowError, match="expected"):
        Flow("budget", **options)
