"""What a channel must do besides, where its readers settle what they got."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from unittest import SkipTest

from penstock.channels import SettlingChannel
from penstock.flow import Channel, Message

T = TypeVar("T")
_TURNS = 20


class SettlingCases:
    """The part of `ChannelConformance` for channels with `settle` and `hand_back`; skipped for others."""

    def make_channel(self, capacity: int, capacity_bytes: int) -> Channel[Any]:
        """An empty channel with these bounds; called on a running loop."""
        raise NotImplementedError

    def _settling(self) -> SettlingChannel[Any]:
        channel = self.make_channel(3, 1 << 20)
        if not isinstance(channel, SettlingChannel):
            raise SkipTest("its readers settle nothing: it is no SettlingChannel")
        return channel

    def test_what_is_handed_back_comes_next_as_one_attempt_more(self) -> None:
        """Before all that waits, in the order it was got, under its id, and also where the channel is full."""

        async def scenario() -> None:
            channel = self._settling()
            for number in range(3):
                await channel.put(Message(number, f"id{number}"))
            first, second = await _got(channel), await _got(channel)
            for number in (3, 4):
                channel.put_nowait(Message(number, f"id{number}"))

            channel.hand_back([second, first])

            again = [await _got(channel) for _ in range(3)]
            assert [(one.payload, one.id, one.attempt) for one in again] == [
                (0, "id0", 2),
                (1, "id1", 2),
                (2, "id2", 1),
            ]

        run_scenario(scenario)

    def test_what_is_handed_back_without_an_attempt_is_not_charged(self) -> None:
        """A reader that is told to stop has taken more than it has begun."""

        async def scenario() -> None:
            channel = self._settling()
            await channel.put(Message("a"))
            for _ in range(2):
                channel.hand_back([await _got(channel)], attempted=False)
            assert (await _got(channel)).attempt == 1

        run_scenario(scenario)

    def test_attempts_of_the_writer_are_not_those_of_a_reader(self) -> None:
        """It may have been tried again before it was put."""

        async def scenario() -> None:
            channel = self._settling()
            sent: Message[Any] = Message("payload")
            sent.annotate().attempt = 3
            await channel.put(sent)
            assert (await _got(channel)).attempt == 1

        run_scenario(scenario)

    def test_what_a_reader_does_to_its_message_is_not_what_comes_again(self) -> None:
        """A flow puts results in the place of payloads, and forgets them when it has delivered."""

        async def scenario() -> None:
            channel = self._settling()
            sent: Message[Any] = Message("payload")
            await channel.put(sent)
            sent.payload = None
            message = await _got(channel)
            message.payload, message.size = None, 0
            channel.hand_back([message])
            assert (await _got(channel)).payload == "payload"

        run_scenario(scenario)

    def test_what_is_settled_never_comes_again(self) -> None:
        """And what was got beside it, and is handed back, does."""

        async def scenario() -> None:
            channel = self._settling()
            for number in range(3):
                await channel.put(Message(number, str(number)))
            first, second, third = [await _got(channel) for _ in range(3)]
            channel.settle([first, third])
            channel.hand_back([second])
            assert (await _got(channel)).payload == 1
            assert channel.get_nowait() is None

        run_scenario(scenario)

    def test_a_waiting_reader_gets_what_another_hands_back(self) -> None:
        """Nothing else may come that would wake it."""

        async def scenario() -> None:
            channel = self._settling()
            await channel.put(Message(7))
            message = await _got(channel)
            waiting = asyncio.create_task(channel.get())
            await rest()
            channel.hand_back([message])
            again = await asyncio.wait_for(waiting, 60)
            assert again is not None
            assert again.payload == 7

        run_scenario(scenario)

    def test_the_end_does_not_wait_for_what_is_in_hand_and_what_comes_back_is_there(self) -> None:
        """A batch may wait for the end of the stream before it is done."""

        async def scenario() -> None:
            channel = self._settling()
            await channel.put(Message(7))
            message = await _got(channel)
            channel.close()
            assert await asyncio.wait_for(channel.get(), 60) is None
            channel.hand_back([message])
            assert (await _got(channel)).payload == 7

        run_scenario(scenario)


async def _got(channel: SettlingChannel[Any]) -> Message[Any]:
    message = await asyncio.wait_for(channel.get(), 60)
    assert message is not None
    return message


def run_scenario(scenario: Callable[[], Awaitable[T]]) -> T:
    """Run it on a loop of its own."""

    async def within() -> T:
        return await scenario()

    return asyncio.run(within())


async def rest() -> None:
    """Let every task come to where it waits."""
    for _ in range(_TURNS):
        await asyncio.sleep(0)
