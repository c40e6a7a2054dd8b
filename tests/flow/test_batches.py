"""Batches: full by messages or by bytes, or no longer worth waiting for."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock import Flow, RetryPolicy, key, stage
from penstock.base import ConfigError
from penstock.testing import FakeClock, ListSource

SOON = RetryPolicy(maximum_attempts=2, initial_interval="0s", maximum_interval="0s")


def batches_of(
    source: Any, clock: FakeClock | None = None, **options: Any
) -> list[tuple[float, list[Any]]]:
    """When each batch was handed on, and what was in it."""
    clock = clock or FakeClock(autojump=True)
    seen: list[tuple[float, list[Any]]] = []

    @stage(**options)
    async def collect(items: list[Any]) -> list[Any]:
        seen.append((clock.monotonic(), items))
        return items

    flow = Flow("batches", clock=clock) | source | collect | (lambda item: None)
    asyncio.run(flow.run_async())
    return seen


async def arriving(clock: FakeClock, *moments: float) -> AsyncIterator[float]:
    """One item at each of these moments."""
    for moment in moments:
        await clock.sleep(moment - clock.monotonic())
        yield moment


def test_a_batch_is_full_by_bytes() -> None:
    """Of payloads of very different sizes, memory is what bounds a batch."""
    payloads = [b"x" * size for size in (4, 4, 3, 9, 1, 20, 2, 2, 2, 2, 2)]

    sizes = [[len(item) for item in batch] for _, batch in batches_of(payloads, batch_bytes=10)]

    assert sizes == [[4, 4], [3], [9, 1], [20], [2, 2, 2, 2, 2]]


def test_messages_and_bytes_bound_a_batch_together() -> None:
    """Whichever comes first."""
    payloads = [b"x" * size for size in (1, 1, 1, 6, 6, 1)]

    sizes = [
        [len(item) for item in batch] for _, batch in batches_of(payloads, batch=3, batch_bytes=10)
    ]

    assert sizes == [[1, 1, 1], [6], [6, 1]]


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 12), max_size=40),
    most=st.integers(1, 12),
    batch=st.integers(0, 4),
    workers=st.integers(1, 3),
    capacity=st.integers(1, 5),
    order=st.sampled_from(["none", "input", key(len)]),
)
def test_no_batch_is_larger_than_it_may_be_and_nothing_is_lost(
    sizes, most, batch, workers, capacity, order
) -> None:
    """Among retries, workers that share the stage, and every order."""
    seen: list[list[bytes]] = []
    failed: set[int] = set()
    rows: list[bytes] = []

    @stage(
        batch=batch, batch_bytes=most, workers=workers, order=order, retry=SOON, capacity=capacity
    )
    async def collect(items: list[bytes]) -> list[bytes]:
        seen.append(items)
        await asyncio.sleep(0)
        if len(items[0]) % 5 == 2 and len(items[0]) not in failed:
            failed.add(len(items[0]))
            raise OSError("once")
        return items

    source = ListSource([b"x" * size for size in sizes])
    clock = FakeClock(autojump=True)
    flow = Flow("bytes", clock=clock) | source | collect | rows.append
    report = asyncio.run(flow.run_async())

    assert all(len(items) == 1 or sum(map(len, items)) <= most for items in seen)
    assert all(len(items) <= (batch or len(sizes)) for items in seen)
    assert sorted(map(len, rows)) == sorted(sizes)
    assert (report.acked, report.in_flight) == (len(sizes), 0)
    if order == "input":
        assert list(map(len, rows)) == sizes


def test_what_has_failed_is_tried_again_alone() -> None:
    """Else the others of its batch would pay for it a second time."""
    seen: list[list[bytes]] = []

    @stage(batch_bytes=7, retry=SOON)
    async def collect(items: list[bytes]) -> list[bytes]:
        seen.append(items)
        await asyncio.sleep(0)
        if b"bad" in items and sum(items.count(b"bad") for items in seen) < 3:
            raise OSError("in company, and alone")
        return items

    report = (Flow("alone") | [b"one", b"bad", *[b"two"] * 20] | collect | print).run()

    assert [items for items in seen if b"bad" in items] == [[b"one", b"bad"], [b"bad"], [b"bad"]]
    assert max(map(len, seen)) == 2
    assert (report.dead, report.stages["collect"].retries) == (0, 1)


def test_a_batch_is_handed_on_when_nothing_has_come_for_a_while() -> None:
    """A burst need not wait for the longest time that company is waited for."""
    clock = FakeClock(autojump=True)
    source = arriving(clock, 1, 1.04, 1.08, 5, 5.04)

    batches = batches_of(source, clock, batch=100, within="2s", idle="50ms")

    assert [len(batch) for _, batch in batches] == [3, 2]
    assert [moment for moment, _ in batches] == pytest.approx([1.13, 5.04])


def test_steady_company_does_not_hold_a_batch_beyond_its_longest_time() -> None:
    """Idle is the shorter of two waits, never a longer one; without it the longest time is waited for."""
    for idle in ("300ms", None):
        clock = FakeClock(autojump=True)
        source = arriving(clock, *(number * 0.25 for number in range(1, 13)))

        batches = batches_of(source, clock, batch=100, within="900ms", idle=idle)

        assert [moment for moment, _ in batches] == pytest.approx([1.15, 2.15, 3.0])


def test_a_drain_hands_a_batch_on_at_once() -> None:
    """No company comes any more: the clock stands still, and the flow ends all the same."""

    async def scenario() -> list[list[int]]:
        clock, rows, given = FakeClock(), [], asyncio.Event()

        async def endless() -> AsyncIterator[int]:
            yield 1
            yield 2
            given.set()
            await asyncio.Event().wait()

        twice = stage(batch=100, within="1h")(lambda numbers: numbers)
        flow = Flow("drain", clock=clock) | endless() | twice | stage(batch=9)(rows.append)
        async with flow.start() as running:
            await given.wait()
            await clock.settle()
            await running.drain()
        return rows

    assert asyncio.run(scenario()) == [[1, 2]]


def test_a_batch_that_can_get_no_company_is_handed_on_at_once() -> None:
    """Followers of its keys fill the stage, or its window is full: to wait would be for nothing."""
    for order in (key(lambda number: 0), "input"):

        async def endless() -> AsyncIterator[int]:
            for number in range(6):
                yield number
            await asyncio.Event().wait()

        async def scenario(order: Any = order) -> list[list[int]]:
            clock, seen = FakeClock(), []

            @stage(batch=100, within="1h", order=order, capacity=3)
            async def collect(numbers: list[int]) -> list[int]:
                seen.append(numbers)
                return numbers

            async with (Flow("full", clock=clock) | endless() | collect | print).start() as running:
                await clock.settle()
                await running.cancel()
            return seen

        assert asyncio.run(scenario())[0] == ([0] if order != "input" else [0, 1, 2])


def test_wrong_batches_are_refused_with_the_way_out() -> None:
    """All at once, when the stage is made."""
    with pytest.raises(ConfigError, match="at least 1 byte") as caught:
        stage(batch_bytes=0, idle="0s")(len)
    assert "expected a duration above 0" in str(caught.value)
    with pytest.raises(ConfigError, match="add batch=N or batch_bytes=N"):
        stage(idle="1s")(len)


def test_what_bounds_a_batch_is_explained() -> None:
    """Before the first message."""
    made = stage(batch=500, batch_bytes="8MiB", within="2s", idle="50ms")(len)

    text = (Flow("batches") | [1] | made | print).explain()

    assert "batches of 500 or 8 MiB within 2s, or idle for 0.05s" in text
