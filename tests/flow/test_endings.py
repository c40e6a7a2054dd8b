"""Drain, stop and cancel under load, for every pool and every order: nothing is lost, nothing is left."""

import asyncio
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from penstock import Flow, FlowReport, Message, RetryPolicy, key, stage
from penstock.flow import RunningFlow, Source
from penstock.flow._pool_thread import ThreadExecutor
from penstock.flow._statistics import Meter
from penstock.testing import FakeClock
from tests.flow import process_stages as work
from tests.flow.left_behind import nothing_new

POOLS = ["async", "thread", pytest.param("process", marks=pytest.mark.slow)]
ORDERS = {"none": "none", "input": "input", "key": key(lambda item: item[0] % 7)}
LATER = RetryPolicy(maximum_attempts=0, initial_interval="1h", maximum_interval="1h")


class Endless(Source[tuple[int, bytes]]):
    """Gives numbers for ever, and remembers what became of each."""

    def __init__(self) -> None:
        self.given: list[str] = []
        self.acked: list[str] = []
        self.nacked: list[str] = []
        self.closed = 0

    async def pull(self, demand: int) -> Sequence[Message[tuple[int, bytes]]]:
        first = len(self.given)
        messages = [Message((n, b"abcd"), n) for n in range(first, first + min(demand, 20))]
        self.given += [message.id for message in messages]
        return messages

    async def ack(self, messages: Sequence[Message[Any]]) -> None:
        self.acked += [message.id for message in messages]

    async def nack(self, messages: Sequence[Message[Any]]) -> None:
        self.nacked += [message.id for message in messages]

    async def aclose(self) -> None:
        self.closed += 1


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """No child, descriptor, segment or thread outlives a run."""
    with nothing_new():
        yield


async def end(running: RunningFlow, ending: str) -> FlowReport:
    match ending:
        case "drain":
            return await running.drain()
        case "stop":
            return await running.stop()
        case _:
            return await running.cancel()


def made_of(pool: str, order: str) -> Any:
    options: dict[str, Any] = {"retry": LATER, "order": ORDERS[order], "workers": 2}
    if pool != "async":
        return stage(pool=pool, chunk=8, **options)(work.loaded)

    @stage(**options)
    async def loaded(item: tuple[int, bytes]) -> tuple[int, bytes]:
        await asyncio.sleep(0)
        return work.loaded(item)

    return loaded


@pytest.mark.parametrize("ending", ["drain", "stop", "cancel"])
@pytest.mark.parametrize("order", list(ORDERS))
@pytest.mark.parametrize("pool", POOLS)
def test_every_message_is_settled_or_handed_back_once(pool: str, order: str, ending: str) -> None:
    """While channels are full, messages are in backoff, and outputs are large."""
    rows: list[tuple[int, bytes]] = []

    async def scenario() -> tuple[FlowReport, Endless]:
        source = Endless()

        async def take(row: tuple[int, bytes]) -> None:
            await asyncio.sleep(0)
            rows.append(row)

        # Without a clock of its own a stop would have a deadline in real time.
        flow = Flow("load", capacity=16, clock=FakeClock()) | source | made_of(pool, order) | take
        async with flow.start() as running:
            while running.statistics().stages["loaded"].failures < 2 and len(source.given) < 200:
                await asyncio.sleep(0)
                if order == "input" and len(source.given) > 20 and len(rows) == 5:
                    break
            report = await end(running, ending)
        assert len(asyncio.all_tasks()) == 1
        return report, source

    report, source = asyncio.run(scenario())

    assert report.ending == ("cancelled" if ending == "cancel" else "drained")
    assert report.statistics.balanced
    assert sorted([*source.acked, *source.nacked]) == sorted(source.given)
    assert sorted(source.acked, key=int) == sorted((str(n) for n, _ in rows), key=int)
    assert (report.pulled, report.delivered) == (len(source.given), len(rows))
    assert report.in_flight == len(source.nacked)
    assert source.closed == 1
    assert_order(order, [number for number, _ in rows])
    if ending != "cancel":
        assert all(number % 11 == 5 for number in map(int, source.nacked)) or order != "none"


def assert_order(order: str, numbers: list[int]) -> None:
    if order == "input":
        assert numbers == sorted(numbers)
    if order == "key":
        by_key = defaultdict(list)
        for number in numbers:
            by_key[number % 7].append(number)
        assert all(of_key == sorted(of_key) for of_key in by_key.values())


@pytest.mark.parametrize("pool", ["async", pytest.param("process", marks=pytest.mark.slow)])
def test_a_deadline_is_kept_although_work_hangs(pool: str) -> None:
    """At that instant of the flow's clock, and not before."""

    async def scenario() -> FlowReport:
        clock, source = FakeClock(), Endless()
        if pool == "async":

            async def hangs(item: object) -> object:
                await asyncio.Event().wait()
                return item

            made: Any = hangs
        else:
            made = stage(pool="process")(work.wait_for_ever)
        async with (Flow("hang", clock=clock) | source | made | print).start() as running:
            while not running.statistics().stages[running_name(made)].taken:
                await asyncio.sleep(0.001)
            ending = asyncio.create_task(running.drain("30s"))
            await clock.advance(29.9)
            assert not ending.done()
            await clock.advance(0.1)
            report = await ending
        assert sorted(source.nacked) == sorted(source.given)
        return report

    report = asyncio.run(scenario())

    assert report.ending == "cancelled"
    assert report.statistics.balanced


def running_name(made: Any) -> str:
    return str(getattr(made, "name", None) or made.__name__)


def test_a_thread_in_a_call_is_reported_and_begins_nothing_more() -> None:
    """A cancel cannot end it; what was waiting for it is handed back, and must not happen behind our back."""
    release, begun = threading.Event(), list[int]()

    async def scenario() -> FlowReport:
        reached = asyncio.Event()
        loop = asyncio.get_running_loop()

        @stage(pool="thread", chunk=8)
        def hangs(item: tuple[int, bytes]) -> int:
            if item[0] >= 100:
                begun.append(item[0])
                loop.call_soon_threadsafe(reached.set)
                release.wait()
            return item[0]

        source = Endless()
        async with (
            Flow("hang", capacity=16, clock=FakeClock()) | source | hangs | (lambda _: None)
        ).start() as running:
            await reached.wait()
            # On this clock all calls were quick, so that the pool sends the next chunks ahead.
            for _ in range(100):
                await asyncio.sleep(0)
            report = await running.cancel()
            assert report.stages["hangs"].in_hand > 1
        assert sorted([*source.acked, *source.nacked]) == sorted(source.given)
        return report

    report = asyncio.run(scenario())
    release.set()

    assert report.stages["hangs"].hung == 1
    assert "1 thread of 'hangs' still in a call, and left behind" in str(report)
    for thread in threading.enumerate():
        if "(left behind)" in thread.name:
            thread.join(60)
    assert begun == [100]


def test_a_chunk_under_way_goes_no_further_when_its_thread_is_left() -> None:
    """The call under way cannot be stopped; the messages after it in its chunk need not begin."""
    begun, hanging, release = list[int](), threading.Event(), threading.Event()

    def hangs(number: int) -> None:
        begun.append(number)
        hanging.set()
        release.wait()

    async def scenario() -> None:
        made = SimpleNamespace(name="hangs", expands=False, function=hangs)
        like: Any = SimpleNamespace(
            stage=made, output_limit=9, clock=FakeClock(), meter=Meter(), context=None
        )
        executor = ThreadExecutor(like, 0)
        executor.send([1, 2, 3], 3)
        executor.send([4], 1)
        await asyncio.to_thread(hanging.wait)
        await executor.aclose()
        assert like.meter.hung == 1

    asyncio.run(scenario())
    release.set()
    for thread in threading.enumerate():
        if "(left behind)" in thread.name:
            thread.join(60)
    assert begun == [1]
