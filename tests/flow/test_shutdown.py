"""Drain finishes what is inside, cancel ends now; either way the counts are exact."""

import asyncio
import os
import signal
import threading
from contextlib import suppress
from typing import Any

import pytest

from penstock import Flow, RetryPolicy, stage
from penstock.flow import FlowFailedError, FlowReport, Message
from penstock.testing import CrashingSource, FakeClock, ListSink, ListSource

POOLS = ["async", "thread", pytest.param("process", marks=pytest.mark.slow)]


def same(number: int) -> int:
    return number


class EndlessSource(ListSource[int]):
    """Gives numbers for ever, and waits when it has given `pause`."""

    def __init__(self, pause: int = 10**9) -> None:
        super().__init__([])
        self.pause = pause
        self.given = 0

    async def pull(self, demand: int) -> list[Message[int]]:
        await asyncio.sleep(0)
        if self.given >= self.pause:
            await asyncio.Event().wait()
        first, self.given = self.given, min(self.given + demand, self.pause)
        return [Message(number, number) for number in range(first, self.given)]


def run_until(amount: int, how: str, pool: str) -> tuple[FlowReport, EndlessSource]:
    async def scenario() -> tuple[FlowReport, EndlessSource]:
        source, enough, seen = EndlessSource(), asyncio.Event(), 0

        async def count(number: int) -> None:
            nonlocal seen
            seen += 1
            if seen == amount:
                enough.set()

        flow = Flow("load", capacity=64) | source | stage(pool=pool, workers=2)(same) | count
        async with flow.start() as running:
            await enough.wait()
            report = await getattr(running, how)()
        return report, source

    return asyncio.run(scenario())


@pytest.mark.parametrize("pool", POOLS)
def test_a_drain_finishes_everything_that_was_pulled(pool: str) -> None:
    """Under load: what the source has given is delivered and acknowledged, and no more is pulled."""
    report, source = run_until(500, "drain", pool)

    assert report.ending == "drained"
    assert report.pulled == source.given == report.delivered == len(source.acked)
    assert report.in_flight == 0
    assert source.nacked == []
    assert source.closed == 1


@pytest.mark.parametrize("pool", POOLS)
def test_a_cancel_hands_back_what_is_in_flight(pool: str) -> None:
    """Every message is either acknowledged or handed back, never both, never neither."""
    report, source = run_until(500, "cancel", pool)

    assert report.ending == "cancelled"
    assert report.statistics.balanced
    assert report.pulled == report.delivered + report.in_flight
    assert sorted(map(int, source.acked + source.nacked)) == list(range(source.given))
    assert source.closed == 1


@pytest.mark.parametrize("how", ["drain", "cancel"])
def test_what_a_source_gives_although_it_was_interrupted_is_not_lost(how: str) -> None:
    """More than the channel holds; a drain works it off, a cancel hands it back."""

    class Deaf(ListSource[int]):
        def __init__(self) -> None:
            super().__init__([])
            self.asked = asyncio.Event()

        async def pull(self, demand: int) -> list[Message[int]]:
            self.asked.set()
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            return [Message(number, number) for number in range(10)]

    async def scenario() -> tuple[FlowReport, Deaf]:
        source = Deaf()
        async with (Flow("deaf", capacity=2) | source | same | (lambda _: None)).start() as running:
            await source.asked.wait()
            return await getattr(running, how)(), source

    report, source = asyncio.run(scenario())

    assert report.statistics.balanced
    assert (len(source.acked), len(source.nacked)) == ((10, 0) if how == "drain" else (0, 10))
    assert source.closed == 1


def test_a_drain_flushes_a_batch_that_waits_for_company() -> None:
    """It would wait an hour otherwise."""

    async def scenario() -> tuple[FlowReport, list[int]]:
        rows: list[int] = []
        batch = stage(batch=100, within="1h", pool="async")(lambda numbers: numbers)
        async with (
            Flow("flush") | EndlessSource(pause=7) | batch | rows.append
        ).start() as running:
            while running.statistics().stages["lambda"].taken < 7:
                await asyncio.sleep(0)
            return await running.drain(), rows

    report, rows = asyncio.run(scenario())

    assert rows == list(range(7))
    assert report.in_flight == 0


def test_a_drain_hands_back_messages_in_backoff() -> None:
    """They may wait for hours; the source gives them again after the restart."""

    async def scenario() -> tuple[FlowReport, EndlessSource]:
        source = EndlessSource(pause=5)
        policy = RetryPolicy(maximum_attempts=0, initial_interval="1h", maximum_interval="1h")

        @stage(retry=policy)
        async def odd_fails(number: int) -> int:
            if number % 2:
                raise OSError("later")
            return number

        async with (
            Flow("backoff", clock=FakeClock()) | source | odd_fails | (lambda _: None)
        ).start() as running:
            while running.statistics().stages["odd_fails"].failures < 2:
                await asyncio.sleep(0)
            return await running.drain(), source

    report, source = asyncio.run(scenario())

    assert (report.delivered, report.in_flight, report.ending) == (3, 2, "drained")
    assert report.statistics.balanced
    assert sorted(source.nacked) == ["1", "3"]


def test_a_drain_hands_back_what_has_failed_a_moment_ago() -> None:
    """Its backoff has not even begun when the drain ends it; the flow must not wait for it for ever."""

    async def scenario() -> FlowReport:
        policy = RetryPolicy(maximum_attempts=0, initial_interval="1h", maximum_interval="1h")

        @stage(retry=policy)
        async def fails(number: int) -> int:
            running.begin_drain(None)
            raise OSError("later")

        running = (Flow("moment") | ListSource([1]) | fails | print).start()
        return await asyncio.wait_for(running.wait(), 60)

    report = asyncio.run(scenario())

    assert (report.in_flight, report.ending) == (1, "drained")


def test_a_drain_tries_once_more_what_the_source_cannot_give_again() -> None:
    """Then it is a dead letter with the reason `drained`."""
    attempts: list[int] = []

    async def scenario() -> FlowReport:
        policy = RetryPolicy(maximum_attempts=0, initial_interval="1h", maximum_interval="1h")

        async def fails(number: int) -> int:
            attempts.append(number)
            raise OSError("later")

        flow = Flow("once more", clock=FakeClock()) | [1] | stage(retry=policy)(fails) | print
        async with flow.start() as running:
            while not running.statistics().stages["fails"].failures:
                await asyncio.sleep(0)
            return await running.drain()

    report = asyncio.run(scenario())

    assert attempts == [1, 1]
    assert [letter.reason for letter in report.dead_letters] == ["drained"]
    assert (report.dead, report.in_flight) == (1, 0)


def test_a_drain_that_is_too_late_cancels() -> None:
    """The deadline is kept, on the flow's clock."""

    async def scenario() -> FlowReport:
        clock, begun = FakeClock(), asyncio.Event()

        async def stuck(number: int) -> int:
            begun.set()
            await asyncio.Event().wait()
            return number

        async with (Flow("late", clock=clock) | EndlessSource() | stuck | print).start() as running:
            await begun.wait()
            ending = asyncio.create_task(running.drain("30s"))
            await clock.advance(29)
            assert not ending.done()
            await clock.advance(1)
            return await ending

    report = asyncio.run(scenario())

    assert report.ending == "cancelled"
    assert report.statistics.balanced


def test_a_source_that_blocks_for_ever_is_left_behind() -> None:
    """Its thread cannot be interrupted; the drain does not wait for it."""
    release = threading.Event()

    def blocking() -> Any:
        yield 1
        release.wait()

    async def scenario() -> FlowReport:
        rows: list[int] = []
        async with (Flow("blocked") | blocking() | rows.append).start() as running:
            while not running.statistics().delivered:
                await asyncio.sleep(0.001)
            return await running.drain()

    report = asyncio.run(scenario())
    release.set()

    assert (report.delivered, report.ending) == (1, "drained")


def test_the_first_signal_drains_and_the_second_cancels() -> None:
    """And the handlers that were there before come back."""
    before = signal.getsignal(signal.SIGTERM)
    seen: list[int] = []

    async def first(number: int) -> None:
        seen.append(number)
        if len(seen) == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(0)

    report = (Flow("term", capacity=8) | EndlessSource() | first).run()

    assert report.ending == "drained"
    assert report.in_flight == 0

    async def stuck(number: int) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.Event().wait()

    assert (Flow("twice") | EndlessSource() | stuck).run().ending == "cancelled"
    assert signal.getsignal(signal.SIGTERM) == before


def test_cancelling_the_caller_cancels_the_flow() -> None:
    """Nothing outlives `run_async`."""

    async def scenario() -> int:
        source = EndlessSource()
        running = asyncio.create_task(
            (Flow("outer") | source | same | (lambda _: None)).run_async()
        )
        while not source.acked:
            await asyncio.sleep(0.001)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert source.closed == 1
        return len(asyncio.all_tasks())

    assert asyncio.run(scenario()) == 1


def test_a_crash_of_the_source_loses_nothing() -> None:
    """Run, crash, run again: every item reaches the sink; only what was not acked may come twice."""
    source = CrashingSource(list(range(100)), after=60)
    sink = ListSink()

    with pytest.raises(FlowFailedError, match="the source is gone"):
        (Flow("crash", capacity=8) | source | same | sink).run()
    assert len(source.acked) == len(sink.committed)
    (Flow("crash") | source.again() | same | (second := ListSink())).run()

    assert set(sink.committed) | set(second.committed) == set(range(100))
    assert (sink.closed, second.closed) == (1, 1)


def test_messages_are_acknowledged_after_the_commit_only() -> None:
    """A sink that fails to commit ends the flow, and the source is handed everything back."""

    class Failing(ListSink[int]):
        async def commit(self) -> None:
            raise OSError("disk full")

    source = ListSource([1, 2, 3])

    with pytest.raises(FlowFailedError, match="disk full"):
        (Flow("commit") | source | Failing()).run()

    assert source.acked == []
    assert sorted(source.nacked) == ["0", "1", "2"]


def test_drain_and_cancel_are_safe_at_any_time() -> None:
    """Before the start, twice, and after the end."""

    async def scenario() -> list[str]:
        running = (Flow("any") | range(10) | same | print).start()
        reports = [await running.drain(), await running.drain(), await running.cancel()]
        return [report.ending for report in reports]

    assert asyncio.run(scenario()) == ["drained"] * 3
