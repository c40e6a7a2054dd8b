"""An attempt that takes too long costs its own message only."""

import asyncio
import threading

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
    release = threading.Event()
    threads: set[int] = set()
    delivered: list[int] = []

    @stage(pool="thread", timeout="50ms")
    def hang_at_one(number: int) -> int:
        threads.add(threading.get_ident())
        if number == 1:
            release.wait()
        return number

    report = (Flow("hung") | range(4) | hang_at_one | delivered.append).run()
    release.set()

    assert delivered == [0, 2, 3]
    assert len(threads) == 2
    assert report.stages["hang_at_one"].replaced == 1
    assert [letter.reason for letter in report.dead_letters] == ["timeout"]
