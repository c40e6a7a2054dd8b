"""Backoff: how long, how often, for what."""

import random
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from penstock.base import RetryPolicy

POLICY = RetryPolicy(
    initial_interval="1s", backoff_coefficient=2, maximum_interval="10s", maximum_attempts=5
)


def test_the_longest_wait_doubles_up_to_the_maximum() -> None:
    assert [POLICY.ceiling(attempt) for attempt in (1, 2, 3, 4, 5, 6)] == [1, 2, 4, 8, 10, 10]


@given(st.integers(1, 10**9), st.integers())
def test_a_wait_lies_between_nothing_and_the_ceiling(attempt: int, seed: int) -> None:
    """However high the attempt: the exponent does not overflow."""
    delay = POLICY.delay(attempt, random.Random(seed))

    assert 0 <= delay <= POLICY.ceiling(attempt) <= 10


@given(st.floats(1, 100), st.integers(1, 200))
def test_the_ceiling_never_falls(coefficient: float, attempt: int) -> None:
    policy = POLICY.model_copy(update={"backoff_coefficient": coefficient})

    assert policy.ceiling(attempt) <= policy.ceiling(attempt + 1) <= 10


def test_waits_are_spread_over_the_whole_range() -> None:
    """Full jitter: many who failed together do not come back together."""
    chance = random.Random(7)
    waits = [POLICY.delay(4, chance) for _ in range(1000)]

    assert min(waits) < 0.2
    assert max(waits) > 7.8
    assert 3.5 < sum(waits) / len(waits) < 4.5


def test_the_last_attempt_is_the_last() -> None:
    error = OSError()

    assert [POLICY.allows(attempt, error) for attempt in (1, 4, 5, 6)] == [True, True, False, False]


def test_zero_attempts_means_no_limit() -> None:
    assert RetryPolicy(maximum_attempts=0).allows(10**9, OSError())


def test_without_a_policy_there_is_one_attempt() -> None:
    assert not RetryPolicy().allows(1, OSError())


@pytest.mark.parametrize(
    ("kinds", "error", "again"),
    [
        ((OSError,), ConnectionError(), True),
        ((OSError,), ValueError(), False),
        (("OSError",), ConnectionError(), True),
        (("ConnectionError",), OSError(), False),
        ((ValueError, "TimeoutError"), TimeoutError(), True),
        ((), OSError(), False),
    ],
)
def test_only_the_listed_errors_are_worth_another_attempt(
    kinds: tuple[type[BaseException] | str, ...], error: Exception, again: bool
) -> None:
    """By class or by name, subclasses included: YAML has names only."""
    policy = RetryPolicy(maximum_attempts=3, retry_on=kinds)

    assert policy.allows(1, error) is again


def test_an_exit_is_not_retried_by_default() -> None:
    policy = RetryPolicy(maximum_attempts=3)

    assert not policy.allows(1, KeyboardInterrupt())


def test_intervals_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(ValidationError, match="expected maximum_interval >= initial_interval"):
        RetryPolicy(initial_interval="2m", maximum_interval=timedelta(seconds=1))
