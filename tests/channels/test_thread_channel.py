"""The channel between threads and event loops."""

import asyncio
import threading
from typing import Any

import pytest

from penstock.channels import ChannelSink, ChannelSource, SettlingChannel, ThreadChannel
from penstock.flow import ChannelClosedError, Flow, FlowError, Message, stage
from penstock.testing import ChannelConformance


class TestThreadChannel(ChannelConformance):
    def make_channel(self, capacity: int, capacity_bytes: int) -> SettlingChannel[Any]:
        return ThreadChannel("threads", capacity=capacity, capacity_bytes=capacity_bytes)


class Traffic:
    """Writers and readers of one channel, plain ones and such on loops of their own."""

    def __init__(self, channel: ThreadChannel[int]) -> None:
        self._channel = channel
        self._lock = threading.Lock()
        self.seen: list[int] = []

    def note(self, message: Message[int]) -> None:
        with self._lock:
            self.seen.append(message.payload)
        self._channel.settle([message])

    def write(self, first: int) -> None:
        for number in range(first, first + 200):
            self._channel.send(number)

    async def put(self, first: int) -> None:
        for number in range(first, first + 200):
            await self._channel.put(Message(number))

    def read(self) -> None:
        while (message := self._channel.receive()) is not None:
            self.note(message)

    async def get(self) -> None:
        while (message := await self._channel.get()) is not None:
            self.note(message)


def test_every_message_crosses_once_whoever_writes_and_whoever_reads() -> None:
    """Threads and tasks of several loops on either side, all at once; never more than may wait."""
    channel: ThreadChannel[int] = ThreadChannel(capacity=3)
    traffic = Traffic(channel)
    writers = [
        threading.Thread(target=traffic.write, args=(0,)),
        threading.Thread(target=traffic.write, args=(200,)),
        threading.Thread(target=lambda: asyncio.run(traffic.put(400))),
    ]
    readers = [
        threading.Thread(target=traffic.read),
        threading.Thread(target=lambda: asyncio.run(traffic.get())),
        threading.Thread(target=lambda: asyncio.run(traffic.get())),
    ]

    for thread in [*readers, *writers]:
        thread.start()
    for thread in writers:
        thread.join(60)
    channel.close()
    for thread in readers:
        thread.join(60)

    assert sorted(traffic.seen) == list(range(600))
    assert channel.statistics().peak_items <= 3
    assert (channel.statistics().items, channel.statistics().in_hand) == (0, 0)


def test_a_wait_that_is_limited_says_what_it_waited_for() -> None:
    """And changes nothing: the next in line is not forgotten."""
    channel: ThreadChannel[int] = ThreadChannel("limited", capacity=1)
    with pytest.raises(TimeoutError, match="'limited' gave no message for"):
        channel.receive(timeout="1ms")
    channel.send(1)
    with pytest.raises(TimeoutError, match="'limited' had no room for"):
        channel.send(2, timeout="1ms")
    with pytest.raises(TimeoutError, match="was not settled for"):
        channel.wait_settled(timeout="1ms")

    got = channel.receive(timeout="1ms")

    assert got is not None
    channel.settle([got])
    channel.wait_settled(timeout="1ms")
    assert got.payload == 1


def test_a_writer_that_waits_hears_of_the_close() -> None:
    """It would wait for ever: nobody has to read what is left."""
    channel: ThreadChannel[int] = ThreadChannel(capacity=1)
    channel.send(1)
    heard: list[Exception] = []

    def write() -> None:
        try:
            channel.send(2)
        except ChannelClosedError as error:
            heard.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    channel.close()
    writer.join(60)

    assert len(heard) == 1


def test_a_loop_that_was_closed_is_not_waited_for() -> None:
    """Its task cannot be woken: the turn goes to the next."""
    channel: ThreadChannel[int] = ThreadChannel()
    loop = asyncio.new_event_loop()
    abandoned = loop.create_task(channel.get())
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    del abandoned
    got: list[Any] = []
    reader = threading.Thread(target=lambda: got.append(channel.receive(timeout="60s")))
    reader.start()

    channel.send(5)
    reader.join(60)

    assert [message.payload for message in got] == [5]


@pytest.mark.parametrize("told", ["twice", "a stranger"])
def test_only_what_is_in_hand_can_be_settled(told: str) -> None:
    """A fault of the caller, which must not settle another's."""
    channel: ThreadChannel[int] = ThreadChannel("mine")
    channel.send(1)
    got = channel.receive()
    assert got is not None
    if told == "twice":
        channel.settle([got])
    else:
        got = Message(1, "stranger")

    with pytest.raises(FlowError, match=f"channel 'mine' was told of messages .*{got.id}"):
        channel.settle([got])


def test_a_channel_has_room_for_something() -> None:
    with pytest.raises(FlowError, match="expected capacity >= 1, got 0"):
        ThreadChannel(capacity=0)


def test_callbacks_of_threads_feed_a_flow_and_are_held_back_by_it() -> None:
    """What a client library calls in its own threads."""
    channel: ThreadChannel[int] = ThreadChannel("readings", capacity=4)
    rows: list[int] = []

    def sensor(first: int) -> None:
        for reading in range(first, first + 50):
            channel.send(reading)

    sensors = [threading.Thread(target=sensor, args=(first,)) for first in (0, 50)]
    ending = threading.Thread(target=lambda: [one.join() for one in sensors] and channel.close())
    for thread in (*sensors, ending):
        thread.start()
    report = (Flow("readings", capacity=2) | ChannelSource(channel) | rows.append).run()

    assert sorted(rows) == list(range(100))
    assert report.delivered == 100
    assert channel.statistics().peak_items <= 4
    channel.wait_settled(timeout="60s")


def test_two_flows_on_loops_of_their_own_are_joined_and_ids_stay() -> None:
    """Each at its own pace, in its own thread."""
    channel: ThreadChannel[int] = ThreadChannel("between", capacity=5)
    rows: list[int] = []

    def produce() -> None:
        (Flow("first") | range(100) | (lambda n: n * 2) | ChannelSink(channel)).run()
        channel.close()

    producer = threading.Thread(target=produce)
    producer.start()
    report = (Flow("second") | ChannelSource(channel) | rows.append).run()
    producer.join(60)

    assert sorted(rows) == list(range(0, 200, 2))
    assert report.acked == 100
    assert channel.statistics().in_hand == 0


def test_a_flow_that_is_cancelled_hands_back_what_it_had_taken() -> None:
    """As it was put, and not charged: another flow goes on with it."""
    channel: ThreadChannel[int] = ThreadChannel("shared")
    for number in range(10):
        channel.send(number)
    channel.close()
    rows: list[tuple[int, int]] = []

    async def first() -> None:
        begun = asyncio.Event()

        @stage
        async def change(number: int) -> str:
            return f"changed {number}"

        @stage
        async def hang(text: str) -> str:
            begun.set()
            return await asyncio.Future()

        running = (Flow("first") | ChannelSource(channel) | change | hang | print).start()
        await begun.wait()
        await running.cancel()

    asyncio.run(first())
    assert channel.statistics().items == 10
    (Flow("second") | ChannelSource(channel) | (lambda n: rows.append((n, n)))).run()

    assert rows == [(number, number) for number in range(10)]


def test_what_a_flow_hands_back_is_not_charged_as_an_attempt() -> None:
    """It may not have begun with it."""
    channel: ThreadChannel[int] = ThreadChannel("shared")
    channel.send(1)

    async def scenario() -> None:
        source = ChannelSource(channel)
        await source.nack(await source.pull(5))

    asyncio.run(scenario())
    again = channel.receive()

    assert again is not None
    assert again.attempt == 1


def test_who_waits_until_all_is_settled_is_woken() -> None:
    """By whichever thread settles the last."""
    channel: ThreadChannel[int] = ThreadChannel("waited for")
    channel.send(1)
    got = channel.receive()
    assert got is not None
    waiting = threading.Thread(target=channel.wait_settled)
    waiting.start()
    with pytest.raises(TimeoutError):
        channel.wait_settled(timeout="10ms")

    channel.settle([got])
    waiting.join(60)

    assert not waiting.is_alive()


def test_a_channel_says_which_it_is() -> None:
    assert repr(ThreadChannel("mine")) == "ThreadChannel('mine')"
