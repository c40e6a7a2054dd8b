"""Order: as the messages came, or within each key, while the others go on."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock import Flow, FlowReport, PoisonError, RetryPolicy, key, stage
from penstock.base import ConfigError
from penstock.testing import FakeClock, ListSource

Item = tuple[str, int]
HOUR = RetryPolicy(maximum_attempts=0, initial_interval="1h", maximum_interval="1h")
SOON = RetryPolicy(maximum_attempts=3, initial_interval="0s", maximum_interval="0s")


def letter(item: Item) -> str:
    return item[0]


def numbered(letters: str) -> list[Item]:
    return [(one, number) for number, one in enumerate(letters)]


@settings(max_examples=60, deadline=None)
@given(
    letters=st.text("abcd", max_size=30),
    turns=st.lists(st.integers(0, 3), min_size=1, max_size=8),
    workers=st.integers(1, 4),
    capacity=st.integers(1, 6),
    batch=st.sampled_from([0, 2]),
)
def test_messages_of_one_key_never_overlap_nor_overtake(
    letters, turns, workers, capacity, batch
) -> None:
    """Whatever fails, is tried again, filtered or dead, by whichever worker."""
    at_work: set[str] = set()
    tried: dict[Item, int] = {}
    rows: list[Item] = []

    async def work(item: Item) -> Item | None:
        name, number = item
        assert name not in at_work
        at_work.add(name)
        try:
            for _ in range(turns[number % len(turns)]):
                await asyncio.sleep(0)
        finally:
            at_work.discard(name)
        tried[item] = tried.get(item, 0) + 1
        if number % 5 == 1 and tried[item] < 3:
            raise OSError("again")
        if number % 7 == 2:
            raise PoisonError("dead")
        return None if number % 6 == 3 else item

    async def many(items: list[Item]) -> list[Item | None]:
        return [await work(item) for item in items]

    options: dict[str, Any] = {"order": key(letter), "workers": workers, "retry": SOON}
    step = stage(**options, batch=batch, within="1ms")(many) if batch else stage(**options)(work)
    source = ListSource(numbered(letters))
    flow = Flow("keys", capacity=capacity) | source | step | rows.append
    # A flow that hangs is a finding of this test, with its example, and no time-out of the suite.
    report = asyncio.run(asyncio.wait_for(flow.run_async(), 60))

    for name in "abcd":
        mine = [item for item in rows if item[0] == name]
        assert mine == sorted(mine)
    assert len(rows) == report.delivered
    assert report.statistics.balanced
    assert report.acked == len(letters)
    assert report.in_flight == 0


def run_with_a_slow_head(finish: Callable[[Any], Any]) -> tuple[FlowReport, list[Item], Any]:
    """The first `a` fails and waits an hour; then `finish` ends the run."""

    async def scenario() -> tuple[FlowReport, list[Item], ListSource[Item]]:
        clock, rows = FakeClock(), []
        source = ListSource(numbered("aabab"))

        @stage(order=key(letter), workers=2, retry=HOUR)
        async def head_fails(item: Item) -> Item:
            if item == ("a", 0) and clock.monotonic() < 3600:
                raise OSError("later")
            return item

        flow = Flow("head", clock=clock) | source | head_fails | rows.append
        async with flow.start() as running:
            await clock.settle()
            assert rows == [("b", 2), ("b", 4)]
            assert running.statistics().balanced
            assert running.statistics().stages["head_fails"].in_hand == 3
            await finish(running) if finish is not FakeClock.advance else await clock.advance(7200)
            return await running.wait(), rows, source

    return asyncio.run(scenario())


def test_followers_of_a_key_in_backoff_wait_and_other_keys_go_on() -> None:
    """They come out behind their head, when it has succeeded."""
    report, rows, _ = run_with_a_slow_head(FakeClock.advance)

    assert rows[2:] == [("a", 0), ("a", 1), ("a", 3)]
    assert (report.delivered, report.in_flight) == (5, 0)


def test_a_drain_hands_back_the_followers_with_their_head() -> None:
    """Else they would be done before it, and come out of order after the restart."""
    report, rows, source = run_with_a_slow_head(lambda running: running.drain())

    assert rows == [("b", 2), ("b", 4)]
    assert sorted(source.nacked) == ["0", "1", "3"]
    assert (report.in_flight, report.ending, report.statistics.balanced) == (3, "drained", True)


def test_a_drain_hands_back_what_comes_later_under_that_key_too() -> None:
    """It was still in the channel when its head was handed back."""

    async def scenario() -> tuple[list[Item], ListSource[Item]]:
        clock, rows, source = FakeClock(), [], ListSource(numbered("aaaaab"))

        @stage(order=key(letter), retry=HOUR, capacity=2)
        async def head_fails(item: Item) -> Item:
            if item == ("a", 0):
                raise OSError("later")
            return item

        flow = Flow("late", clock=clock) | source | head_fails | rows.append
        async with flow.start() as running:
            await clock.settle()
            assert running.statistics().stages["head_fails"].queue_items == 2
            await running.drain()
        return rows, source

    rows, source = asyncio.run(scenario())

    assert [item for item in rows if item[0] == "a"] == []
    assert {"0", "1", "2", "3"} <= set(source.nacked)


def test_waiting_followers_count_against_the_capacity() -> None:
    """Else one slow key would draw the whole source into memory."""

    async def scenario() -> tuple[int, FlowReport]:
        free, source = asyncio.Event(), ListSource(numbered("a" * 100))

        @stage(order=key(letter), workers=2, capacity=4)
        async def stuck(item: Item) -> Item:
            await free.wait()
            return item

        async with (Flow("full") | source | stuck | [].append).start() as running:
            await FakeClock().settle()
            pulled = running.statistics().pulled
            free.set()
            return pulled, await running.wait()

    pulled, report = asyncio.run(scenario())

    assert pulled <= 4 + 4 + 1
    assert report.delivered == 100


def test_a_payload_without_a_key_is_a_dead_letter() -> None:
    """One that raises, and one that cannot be a key, cost themselves only."""
    rows: list[Any] = []
    step = stage(order=key(lambda item: item[0]), pool="async")(lambda item: item)

    report = (Flow("keyless") | [("a",), (), ([],), ("b",)] | step | rows.append).run()

    assert rows == [("a",), ("b",)]
    assert [one.error_class for one in report.dead_letters] == ["IndexError", "TypeError"]


@pytest.mark.parametrize("order", ["input", key(lambda number: number % 3)], ids=["input", "key"])
@pytest.mark.parametrize("pool", ["async", "thread", pytest.param("process", marks=pytest.mark.slow)])  # fmt: skip
def test_the_last_stage_may_keep_an_order_too(order: Any, pool: Any) -> None:
    """Its window must move on although it hands nothing on."""
    last = stage(order=order, pool=pool, workers=2)(abs)

    report = (Flow("last", capacity=8) | range(60) | last).run()

    assert (report.delivered, report.acked) == (60, 60)


def test_what_cannot_keep_an_order_is_refused() -> None:
    """When it is written, not when it runs."""
    for options, text in (
        ({"order": "sorted"}, r"expected one of none, input or key\(function\), got 'sorted'"),
        ({"order": key(letter), "batch": 2, "collective": True}, "have no order to keep"),
    ):
        with pytest.raises(ConfigError, match=text):
            stage(**options)(lambda items: items)


def test_the_explanation_tells_keys_from_input_order() -> None:
    """Order within a key says nothing of the whole."""
    step = stage(order=key(letter), workers=2, pool="async")(lambda item: item)

    text = (Flow("keys") | [] | step | print).explain()

    assert "one at a time of each key" in text
    assert "order is lost here: messages of other keys overtake" in text
