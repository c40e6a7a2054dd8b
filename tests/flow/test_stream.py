"""A flow that is iterated: the engine inside somebody else's loop."""

import asyncio
import gc
import sys
import threading
from contextlib import aclosing, suppress
from itertools import count
from typing import Any

import pytest

from penstock import Drop, Flow, PoisonError, route, stage, tee
from penstock.base import ConfigError
from penstock.flow import FlowError, FlowFailedError
from penstock.testing import CrashingSource, ListSink, ListSource


async def plus_one(number: int) -> int:
    return number + 1


def flow_threads() -> list[str]:
    return [one.name for one in threading.enumerate() if "penstock flow" in one.name]


def test_a_loop_gets_every_result_and_then_there_is_a_report() -> None:
    """Each iteration is a run of its own."""
    results = (Flow("sum") | range(1000) | plus_one).stream()

    assert sum(results) == sum(range(1001))
    assert (results.report.ending, results.report.delivered) == ("finished", 1000)
    assert list(results) == list(range(1, 1001))
    assert flow_threads() == []


def test_an_async_loop_gets_the_same_from_the_same_object() -> None:
    """On the loop of the caller, without a thread."""

    async def scenario() -> Any:
        results = (Flow("sum") | range(1000) | plus_one).stream()
        rows = [number async for number in results]
        assert flow_threads() == []
        return rows, results.report

    rows, report = asyncio.run(scenario())

    assert rows == list(range(1, 1001))
    assert (report.ending, report.delivered, report.in_flight) == ("finished", 1000, 0)


def test_a_result_counts_as_delivered_when_the_next_one_is_asked_for() -> None:
    """A caller that dies with a result in its hands has not lost it."""
    source = ListSource([1, 2, 3])
    acked: list[int] = []

    async def scenario() -> None:
        async for _ in (Flow("ack") | source | plus_one).stream():
            for _ in range(20):
                await asyncio.sleep(0)
            acked.append(len(source.acked))

    asyncio.run(scenario())

    assert acked == [0, 1, 2]
    assert sorted(source.acked) == ["0", "1", "2"]


def test_leaving_a_loop_early_hands_back_what_was_not_delivered() -> None:
    """The result in hand too: nothing says that the caller was done with it."""
    source = ListSource(list(range(100)))
    results = (Flow("early", capacity=8) | source | plus_one).stream()

    for number in results:
        if number == 10:
            break

    report = results.report
    assert (report.ending, report.delivered, report.statistics.balanced) == ("cancelled", 9, True)
    assert sorted(map(int, source.acked)) == list(range(9))
    assert "9" in source.nacked
    assert len(source.acked) + len(source.nacked) == report.pulled
    assert (source.closed, flow_threads()) == (1, [])


def test_an_error_in_the_loop_ends_the_flow_and_stays_what_it_was() -> None:
    """`with` ends it at once, wherever the iterator is held."""
    source = ListSource(list(range(100)))

    results = (Flow("error", capacity=8) | source | plus_one).stream()
    held = iter(results)

    def fail() -> None:
        with results:
            raise ZeroDivisionError(next(held))

    with pytest.raises(ZeroDivisionError):
        fail()

    assert (results.report.ending, source.closed, flow_threads()) == ("cancelled", 1, [])
    assert list(held) == []


class Interrupt:
    """A Ctrl-C before the n-th line of what a loop asks of its flow."""

    def __init__(self, number: int) -> None:
        self.left = number

    def __call__(self, frame: Any, event: str, _: object) -> Any:
        if event == "call":
            return self if frame.f_code.co_qualname == "FlowThread.ask" else None
        if event == "line":
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt
        return self


def test_an_interrupt_leaves_nothing_behind_wherever_it_comes() -> None:
    """No thread, and no coroutine that nobody awaits, of which Python would complain."""
    for number in count(1):
        source = ListSource([1, 2, 3])
        results = (Flow("interrupted") | source | plus_one).stream()
        before, interrupt = sys.gettrace(), Interrupt(number)
        sys.settrace(interrupt)
        try:
            with suppress(KeyboardInterrupt):
                list(results)
        finally:
            sys.settrace(before)
        assert (source.closed, flow_threads()) == (1, [])
        if interrupt.left > 0:
            break
        # An interrupt of the last question may come when the flow has ended by itself.
        assert results.report.ending == "cancelled" or results.report.delivered == 3

    assert number > 3


def test_a_task_that_is_cancelled_by_its_own_loop_has_the_report() -> None:
    """As by a Ctrl-C that finds the loop's task running: the end of the flow is waited for."""

    async def scenario() -> tuple[str, int]:
        source = ListSource([1, 2, 3])
        results = (Flow("own") | source | plus_one).stream()
        task = asyncio.current_task()
        assert task is not None
        with suppress(asyncio.CancelledError):
            async for _ in results:
                task.cancel()
        task.uncancel()
        return results.report.ending, source.closed

    assert asyncio.run(scenario()) == ("cancelled", 1)


def test_a_task_that_was_cancelled_before_can_still_iterate() -> None:
    """Whoever catches a cancellation to do some last work may do that with a flow."""

    async def scenario() -> list[int]:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(0)
        return [number async for number in (Flow("last") | range(100) | plus_one).stream()]

    assert asyncio.run(scenario()) == list(range(1, 101))


def test_a_new_loop_ends_the_one_before_it() -> None:
    """What was left running would hold its source and its thread."""
    source = ListSource(list(range(100)))
    results = (Flow("twice", capacity=8) | source | plus_one).stream()
    first = iter(results)
    next(first)

    assert list(results) != []
    assert (source.closed, flow_threads()) == (2, [])
    assert list(first) == []
    assert results.report.ending == "finished"


@pytest.mark.parametrize("way", ["with", "aclose", "aclosing", "collected"])
def test_leaving_an_async_loop_early_ends_the_flow(way: str) -> None:
    """At once where somebody says so, else when the loop has found that nobody holds the iterator."""
    source = ListSource(list(range(100)))
    results = (Flow("early", capacity=8) | source | plus_one).stream()

    async def take_one(results: Any) -> None:
        async for _ in results:
            break

    async def scenario() -> int:
        if way == "with":
            async with results:
                await take_one(results)
        elif way == "aclosing":
            async with aclosing(aiter(results)) as held:
                await anext(held)
        else:
            await take_one(results)
        if way == "aclose":
            await results.aclose()
        gc.collect()
        while way == "collected" and len(asyncio.all_tasks()) > 1:
            await asyncio.sleep(0)
        return source.closed

    assert asyncio.run(scenario()) == 1
    assert (results.report.ending, results.report.delivered) == ("cancelled", 0)
    assert source.nacked


def test_a_caller_that_is_cancelled_cancels_the_flow() -> None:
    """It is the flow of its task, as any call would be."""
    source = ListSource([1])
    begun = asyncio.Event()

    async def stuck(number: int) -> int:
        begun.set()
        await asyncio.Event().wait()
        return number

    async def scenario() -> None:
        caller = asyncio.create_task(anext(aiter((Flow("stuck") | source | stuck).stream())))
        await begun.wait()
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller

    asyncio.run(scenario())

    assert (source.acked, source.nacked, source.closed) == ([], ["0"], 1)


def test_a_caller_that_does_not_ask_holds_the_flow_back() -> None:
    """However slow it is, no more is pulled than the channels hold."""
    source = ListSource(range(100_000))

    async def scenario() -> list[int]:
        pulled = []
        async with (Flow("slow", capacity=4) | source | plus_one | plus_one).stream() as results:
            async for number in results:
                for _ in range(50):
                    await asyncio.sleep(0)
                pulled.append(len(source.items) and source._next - number)
                if number > 20:
                    break
        return pulled

    assert max(asyncio.run(scenario())) <= 3 * 4 + 3


def test_an_endless_flow_can_be_left_from_a_plain_loop() -> None:
    """The thread holds at most the channels and the results that are on their way."""
    given = count()
    results = (Flow("endless", capacity=4) | given | plus_one).stream()

    firsts = [number for number, _ in zip(results, range(10), strict=False)]
    results.close()

    assert firsts == list(range(1, 11))
    assert next(given) < 200
    assert (results.report.ending, flow_threads()) == ("cancelled", [])


def test_a_flow_that_fails_raises_after_the_results_that_it_had() -> None:
    """With its report, from both kinds of loop."""
    results = (Flow("fails") | CrashingSource(list(range(9)), after=3) | plus_one).stream()

    with pytest.raises(FlowFailedError, match="the source is gone") as caught:
        list(results)

    assert results.report is caught.value.report
    assert results.report.ending == "failed"

    async def scenario() -> None:
        async for _ in (Flow("fails") | CrashingSource([1], after=0) | plus_one).stream():
            pass

    with pytest.raises(FlowFailedError, match="the source is gone"):
        asyncio.run(scenario())


def test_a_graph_can_be_iterated() -> None:
    """What branches do not keep comes out; the rest of the outcomes is as ever."""
    clicks: list[int] = []

    def pick(number: int) -> int | Drop:
        if number == 7:
            raise PoisonError("seven")
        return Drop("small") if number < 2 else number

    flow = (
        Flow("graph")
        | range(10)
        | pick
        | route(lambda number: number % 3, {0: clicks.append, 1: [plus_one], 2: []})
        | tee([], [plus_one])
    )
    results = flow.stream()

    assert sorted(results) == [2, 3, 5, 5, 6, 6, 8, 9]
    assert sorted(clicks) == [3, 6, 9]
    assert (results.report.filtered, results.report.dead) == (2, 1)


@pytest.mark.parametrize(
    "sink", [ListSink(), [].append, stage(sink=True)(plus_one), tee(print, print)]
)
def test_a_flow_that_ends_in_sinks_has_no_results(sink: Any) -> None:
    """Said when the stream is made, not by an empty loop."""
    with pytest.raises(ConfigError, match="nothing reaches 'stream'"):
        (Flow("sink") | [1] | sink).stream()


def test_a_stream_has_no_report_before_its_end() -> None:
    """And says when it will have one."""
    results = (Flow("report") | [1, 2] | plus_one).stream()

    with pytest.raises(FlowError, match="no report before its end"):
        _ = results.report

    with results:
        held = iter(results)
        assert next(held) == 2
        with pytest.raises(FlowError, match="no report before its end"):
            _ = results.report


def test_what_cannot_start_says_so_in_the_loop() -> None:
    """The thread that could not start the flow is gone."""
    with pytest.raises(TypeError, match="expected a source"):
        list((Flow("none") | 3 | plus_one).stream())

    assert flow_threads() == []
