"""Failed attempts are made again: after a random wait, and not for ever."""

import asyncio
from itertools import pairwise

from penstock import Flow, FlowReport, PoisonError, RetryPolicy, stage
from penstock.testing import FakeClock

POLICY = RetryPolicy(maximum_attempts=4, initial_interval="8s", retry_on=(OSError,))


def attempts_of(
    seed: int, error: type[Exception] = OSError, policy: RetryPolicy = POLICY
) -> tuple[list[float], FlowReport]:
    """When each attempt of the only message was made, on the virtual clock."""
    times: list[float] = []

    async def scenario() -> FlowReport:
        clock = FakeClock(autojump=True)

        @stage(retry=policy)
        async def fails(number: int) -> int:
            times.append(clock.monotonic())
            raise error("not now")

        return await (Flow("retry", clock=clock, seed=seed) | [1] | fails | print).run_async()

    report = asyncio.run(scenario())
    return times, report


def test_each_wait_is_random_up_to_a_ceiling_that_doubles() -> None:
    """Full jitter: clients that failed together must not come back together."""
    for seed in range(20):
        times, report = attempts_of(seed)

        waits = [later - earlier for earlier, later in pairwise(times)]
        assert len(waits) == 3
        assert all(0 <= wait <= 8 * 2**place for place, wait in enumerate(waits))
        assert [letter.attempts for letter in report.dead_letters] == [4]


def test_waits_are_spread_and_a_seed_repeats_them() -> None:
    """A fixed wait would be no jitter; a test needs the same each time."""
    first = [attempts_of(seed)[0][1] for seed in range(20)]

    assert first == [attempts_of(seed)[0][1] for seed in range(20)]
    assert len(set(first)) == 20
    assert min(first) < 2
    assert max(first) > 6


def test_an_error_that_is_not_listed_is_not_tried_again() -> None:
    """Nor is poison, though the policy lists every error."""
    every = POLICY.model_copy(update={"retry_on": (Exception,)})
    for error, policy in ((KeyError, POLICY), (PoisonError, every)):
        times, report = attempts_of(1, error, policy)

        assert len(times) == 1
        assert report.dead == 1
