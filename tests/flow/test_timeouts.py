"""An attempt that takes too long costs its own message only."""

import asyncio
import threading
from collections.abc import AsyncIterator

from penstock import Flow, FlowReport, RetryPolicy, stage
from penstock.testing import FakeClock


def test_an_async_attempt_is_cancelled_when_its_time_is_over() -> None:
    """The call sees a cancellation, and the message is tried again."""
    cancelled: list[int] = []
    delivered: list[int] = []

    async def scenario() -> FlowReport:
        clock = FakeClock(autojump=True)

        @stage(timeout="5s", retry=RetryPolicy(maximum_attempts=2))
        async def slow_once(number: int) -> int:
            try:
                await clock.sleep(60 if number == 2 and not cancelled else 4)
            except asyncio.CancelledError:
                cancelled.append(number)
                raise
            return number

        return await (
            Flow("late", clock=clock) | range(4) | slow_once | delivered.append
        ).run_async()

    report = asyncio.run(scenario())

    assert sorted(delivered) == [0, 1, 2, 3]
    assert cancelled == [2]
    assert (report.stages["slow_once"].failures, report.stages["slow_once"].retries) == (1, 1)


def test_an_attempt_that_swallows_its_cancellation_still_counts() -> None:
    """It has ended with a result, late: repeating it would do its work twice."""

    async def scenario() -> FlowReport:
        clock = FakeClock(autojump=True)

        @stage(timeout="5s")
        async def stubborn(number: int) -> int:
            try:
                await clock.sleep(60)
            except asyncio.CancelledError:
                return -number
            return number

        return await (Flow("stubborn", clock=clock) | [1] | stubborn | (lambda _: None)).run_async()

    report = asyncio.run(scenario())

    assert report.delivered + report.dead == 1
    assert report.statistics.balanced


def test_a_thread_that_hangs_is_replaced_and_counted() -> None:
    """Nobody can end it; its successor goes on with the other messages."""
    hung, release = threading.Event(), threading.Event()
    threads: set[int] = set()
    delivered: list[int] = []
    clock = FakeClock()

    @stage(pool="thread", timeout="5s")
    def hang_at_one(number: int) -> int:
        threads.add(threading.get_ident())
        if number == 1:
            hung.set()
            release.wait()
        return number

    async def scenario() -> FlowReport:
        flow = Flow("hung", clock=clock) | range(4) | hang_at_one | delivered.append
        async with flow.start() as running:
            await asyncio.to_thread(hung.wait)
            await clock.advance(5)
            return await running.wait()

    report = asyncio.run(scenario())
    names = [thread.name for thread in threading.enumerate()]
    release.set()

    assert delivered == [0, 2, 3]
    assert len(threads) == 2
    assert (report.stages["hang_at_one"].replaced, report.stages["hang_at_one"].hung) == (1, 1)
    assert "hang_at_one/0 (left behind)" in names
    assert "1 thread of 'hang_at_one' still in a call, and left behind" in str(report)
    assert [letter.reason for letter in report.dead_letters] == ["timeout"]


def test_a_thread_that_comes_back_hangs_no_more() -> None:
    """Late, and whatever it brings: its message has ended already."""

    async def scenario() -> tuple[int, FlowReport]:
        clock, release, back = FakeClock(), threading.Event(), asyncio.Event()
        begun = threading.Event()

        async def one() -> AsyncIterator[int]:
            yield 1
            await back.wait()

        @stage(pool="thread", timeout="5s")
        def late(number: int) -> int:
            begun.set()
            release.wait()
            raise OSError("too late to matter")

        async with (Flow("late", clock=clock) | one() | late | print).start() as running:
            await asyncio.to_thread(begun.wait)
            while not running.statistics().stages["late"].hung:
                await clock.advance(5)
            hung = running.statistics().stages["late"].hung
            release.set()
            while running.statistics().stages["late"].hung:
                await asyncio.sleep(0.001)
            back.set()
            return hung, await running.wait()

    hung, report = asyncio.run(scenario())

    assert (hung, report.stages["late"].hung, report.dead) == (1, 0, 1)
    assert "left behind" not in str(report)
