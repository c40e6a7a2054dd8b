"""A channel at the end of one flow, and at the start of another."""

from collections.abc import Sequence
from typing import TypeVar

from penstock.channels._port import SettlingChannel
from penstock.channels._shared import SharedChannel
from penstock.flow import Channel, EndOfSource, Message, Sink, Source

T = TypeVar("T")


class ChannelSource(Source[T]):
    """The start of a flow: what is in a channel, until the channel is closed and nothing waits there.

    A message is settled when all that came of it is; a flow that is stopped or fails hands back what
    it had not finished. Any number of flows may share a channel: each message goes to one of them.
    """

    def __init__(self, channel: SettlingChannel[T]) -> None:
        """Say which; the flow does not close it."""
        self._channel = channel

    async def pull(self, demand: int) -> Sequence[Message[T]]:
        first = await self._channel.get()
        if first is None:
            raise EndOfSource
        return [first, *_more(self._channel, demand - 1)]

    async def ack(self, messages: Sequence[Message[T]]) -> None:
        self._channel.settle(messages)

    async def nack(self, messages: Sequence[Message[T]]) -> None:
        self._channel.hand_back(messages, attempted=False)

    async def aclose(self) -> None:
        pass


class ChannelSink(Sink[T]):
    """The end of a flow: messages go into a channel under their ids; a full channel holds the flow back.

    Whoever knows that nothing more will come closes the channel, for a flow that has failed must not
    look like the end of the stream.
    """

    def __init__(self, channel: Channel[T]) -> None:
        """Say which; the flow does not close it."""
        self._channel = channel

    async def write(self, messages: Sequence[Message[T]]) -> None:
        channel = self._channel
        rest = list(messages)
        while rest:
            if isinstance(channel, SharedChannel):
                rest = rest[channel.put_many_nowait(rest) :]
            if rest:
                await channel.put(rest.pop(0))

    async def flush(self) -> None:
        pass

    async def commit(self) -> None:
        pass

    async def aclose(self) -> None:
        pass


def _more(channel: SettlingChannel[T], limit: int) -> list[Message[T]]:
    """What is there without waiting."""
    if isinstance(channel, SharedChannel):
        return channel.get_many_nowait(limit) if limit else []
    messages: list[Message[T]] = []
    while len(messages) < limit and (message := channel.get_nowait()) is not None:
        messages.append(message)
    return messages
