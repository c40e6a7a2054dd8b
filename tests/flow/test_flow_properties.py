"""Random flows: nothing is lost, everything is counted, no channel overflows."""

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from penstock import Flow, RetryPolicy, stage
from penstock.testing import ListSource

SOON = RetryPolicy(maximum_attempts=2, initial_interval="0s", maximum_interval="0s")
KINDS = ["pass", "filter", "double", "fail", "once", "batch", "collective", "stream"]


def keep(number: int, failed: set[int]) -> int | None:
    return number


def drop_fours(number: int, failed: set[int]) -> int | None:
    return None if number % 4 == 0 else number


def fail_fives(number: int, failed: set[int]) -> int | None:
    if number % 5 == 0:
        raise ValueError(number)
    return number


def fail_once(number: int, failed: set[int]) -> int | None:
    if number not in failed:
        failed.add(number)
        raise OSError(number)
    return number


STEPS = {"filter": drop_fours, "fail": fail_fives, "once": fail_once}


def make_stage(kind: str, workers: int, order: str) -> Any:
    failed: set[int] = set()

    async def step(number: int) -> int | None:
        if number % 3 == 0:
            await asyncio.sleep(0)
        return STEPS.get(kind, keep)(number, failed)

    async def expand(number: int):
        for _ in range(number % 3):
            await asyncio.sleep(0)
            yield number

    async def batch(numbers: list[int]) -> list[int | None]:
        if 7 in numbers:
            raise ValueError("seven")
        return [None if number % 6 == 0 else number for number in numbers]

    async def collect(numbers: list[int]) -> list[int]:
        return [max(numbers)] * (numbers[0] % 3)

    common = {"workers": workers, "name": kind}
    made = {
        "double": (expand, {**common, "order": order}),
        "stream": (expand, {**common, "streaming": True}),
        "batch": (batch, {**common, "batch": 3, "within": "1ms", "order": order}),
        "collective": (collect, {"batch": 3, "within": "1ms", "collective": True}),
    }
    function, options = made.get(kind, (step, {**common, "order": order, "retry": SOON}))
    return stage(**options)(function)


stages = st.builds(
    make_stage, st.sampled_from(KINDS), st.integers(1, 3), st.sampled_from(["none", "input"])
)


@settings(max_examples=60, deadline=None)
@given(
    numbers=st.lists(st.integers(0, 20), max_size=40),
    chain=st.lists(stages, max_size=4),
    capacity=st.integers(2, 5),
    capacity_bytes=st.sampled_from([28, 60, 1 << 20]),
    heard=st.booleans(),
)
def test_outcomes_balance_at_every_instant_and_nothing_is_lost(
    numbers, chain, capacity, capacity_bytes, heard
) -> None:
    """The equation is checked in every call of the sink, with what is in flight counted where it lies.

    So it is of a source that is told of acks, and of one that is not, whose batches travel as packs.
    """
    source = ListSource(numbers)

    async def scenario() -> Any:
        flow = Flow("random", capacity=capacity, capacity_bytes=capacity_bytes)
        flow = flow | (source if heard else numbers)
        for one in chain:
            flow = flow | one

        async def sink(number: int) -> None:
            await asyncio.sleep(0)
            check(running.statistics())

        async with (flow | stage(workers=2)(sink)).start() as running:
            return await running.wait()

    def check(statistics: Any) -> None:
        assert statistics.balanced, statistics
        for one in statistics.stages.values():
            assert one.peak_items <= capacity
            assert one.peak_bytes <= max(capacity_bytes, 28)
            assert one.in_hand >= 0

    report = asyncio.run(scenario())

    check(report.statistics)
    assert report.ending == "finished"
    assert report.in_flight == 0
    assert not any(letter.error_class == "AssertionError" for letter in report.dead_letters)
    assert report.acked == len(numbers)
    if heard:
        assert sorted(map(int, source.acked)) == list(range(len(numbers)))


@settings(max_examples=30, deadline=None)
@given(
    numbers=st.lists(st.integers(0, 12), max_size=60),
    window=st.integers(1, 6),
    workers=st.integers(1, 5),
)
def test_input_order_survives_slow_heads_filters_and_dead_letters(numbers, window, workers) -> None:
    """A message that is filtered or dead frees its place."""
    rows: list[int] = []

    @stage(workers=workers, order="input", capacity=window)
    async def uneven(item: tuple[int, int]) -> int | None:
        place, number = item
        for _ in range(number):
            await asyncio.sleep(0)
        if number == 5:
            raise ValueError("five")
        return None if number == 6 else place

    (Flow("order") | list(enumerate(numbers)) | uneven | rows.append).run()

    assert rows == [place for place, number in enumerate(numbers) if number not in {5, 6}]
