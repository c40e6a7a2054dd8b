"""Acknowledged before any work begins: at most once, and what that may cost is counted."""

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path

import pytest

from penstock import Flow, Message, RetryPolicy, stage
from penstock.base import ConfigError
from penstock.flow import FlowError, FlowFailedError, FlowReport
from penstock.testing import FakeClock, ListSource


def test_a_message_is_acknowledged_before_the_first_stage_sees_it() -> None:
    """Else a crash in between would have it worked on twice."""
    source = ListSource(range(50))
    seen: list[bool] = []

    async def work(number: int) -> int:
        seen.append(str(number) in source.acked)
        return number

    report = (Flow("early", ack="early", capacity=7) | source | work | print).run()

    assert seen == [True] * 50
    assert (report.acked, report.lost, report.delivered) == (50, 0, 50)
    assert len(set(source.acked)) == len(source.acked)


def cancelled(ack: str) -> tuple[FlowReport, ListSource[int]]:
    """A flow that is cancelled with its first messages done and others at work."""
    source = ListSource(range(50))

    async def scenario() -> FlowReport:
        clock, stuck = FakeClock(), asyncio.Event()

        @stage(capacity=4, workers=2)
        async def work(number: int) -> int:
            if number > 10:
                await stuck.wait()
            return number

        running = (Flow("early", ack=ack, clock=clock) | source | work | (lambda _: None)).start()
        while running.statistics().delivered < 11:
            await asyncio.sleep(0)
        await clock.settle()
        return await running.cancel()

    return asyncio.run(scenario()), source


def test_a_crash_can_cost_no_more_than_the_first_stage_holds() -> None:
    """What waits before it counts as taken, so its capacity says how much; the rest is still the source's."""
    source = ListSource(range(50))

    async def scenario() -> FlowReport:
        clock, begun = FakeClock(), 0

        @stage(capacity=4, workers=2)
        async def hang(number: int) -> int:
            nonlocal begun
            begun += 1
            return await asyncio.Future()

        running = (Flow("early", ack="early", clock=clock) | source | hang | print).start()
        await clock.settle()
        assert begun == 2
        return await running.cancel()

    report = asyncio.run(scenario())

    assert (report.acked, report.lost, len(source.acked)) == (6, 6, 6)


def test_what_is_lost_is_counted_and_never_handed_back() -> None:
    """At most once: what was acknowledged and has not ended is given again by nobody."""
    report, source = cancelled("early")

    assert report.delivered == 11
    assert report.lost == report.in_flight == report.acked - 11 > 0
    assert report.statistics.balanced
    assert source.nacked == []
    assert sorted(map(int, source.acked)) == list(range(report.acked))
    assert f"{report.lost} lost, acknowledged before they had ended" in str(report)


def test_without_it_nothing_is_lost() -> None:
    """The same flow hands back what it has not done."""
    report, source = cancelled("late")

    assert (report.lost, report.acked) == (0, 11)
    assert len(source.nacked) == report.in_flight


class RefusingSource(ListSource[int]):
    """Cannot be told."""

    async def ack(self, messages: Sequence[Message[int]]) -> None:
        raise ConnectionError("no ack today")


def test_where_it_cannot_be_acknowledged_no_work_begins() -> None:
    """The flow ends, and the source is handed everything back."""
    source, seen = RefusingSource([1, 2]), []

    with pytest.raises(FlowFailedError, match="no ack today") as caught:
        (Flow("early", ack="early") | source | seen.append).run()

    assert seen == []
    assert (caught.value.report.lost, source.nacked) == (0, ["0", "1"])
    assert caught.value.report.statistics.balanced


def test_a_drain_tries_once_more_what_it_cannot_hand_back() -> None:
    """It is acknowledged: so it ends as delivered or as a dead letter, and is not lost."""
    source = ListSource([1])

    async def scenario() -> FlowReport:
        clock = FakeClock()

        @stage(retry=RetryPolicy(maximum_attempts=0, initial_interval="1h", maximum_interval="1h"))
        async def fail(number: int) -> int:
            raise OSError("not now")

        running = (Flow("early", ack="early", clock=clock) | source | fail | print).start()
        while not running.statistics().stages["fail"].failures:
            await asyncio.sleep(0)
        return await running.drain()

    report = asyncio.run(scenario())

    assert [letter.reason for letter in report.dead_letters] == ["drained"]
    assert (report.lost, source.nacked) == (0, [])


def test_a_restart_from_a_checkpoint_says_what_was_lost_and_repeats_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The checkpoint is written before any work begins, as the ack is."""
    seen: list[int] = []

    async def work(number: int) -> int:
        seen.append(number)
        if number == 5:
            await asyncio.Event().wait()
        return number

    async def first() -> FlowReport:
        running = flow.start()
        while 5 not in seen:
            await asyncio.sleep(0.001)
        return await running.cancel()

    made = stage(capacity=3)(work)
    flow = Flow("early", ack="early", checkpoint=tmp_path) | range(20) | made | (lambda _: None)
    before = asyncio.run(first())
    with caplog.at_level(logging.WARNING):
        report = flow.run()

    assert before.lost > 0
    assert f"up to {before.lost} messages were acknowledged early" in caplog.text
    assert len(set(seen)) == len(seen)
    assert before.delivered + before.lost + report.delivered == 20


def test_what_makes_no_sense_is_refused(tmp_path: Path) -> None:
    """With what would."""
    with pytest.raises(FlowError, match="expected ack to be late or early, got 'soon'"):
        Flow("early", ack="soon")

    class Keeping:
        """A sink that keeps the progress."""

        async def write(self, messages): ...
        async def flush(self): ...
        async def commit(self): ...
        async def aclose(self): ...
        async def kept_progress(self): ...
        async def keep_progress(self, progress): ...

    async def scenario() -> None:
        flow = Flow("early", ack="early", checkpoint=tmp_path) | range(3) | Keeping()
        await flow.run_async()

    with pytest.raises(ConfigError, match="at most once; remove one"):
        asyncio.run(scenario())
