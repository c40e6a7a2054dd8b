"""Sources and sinks in memory, which remember what happened to each message."""

from collections.abc import Sequence
from typing import TypeVar

from penstock.flow import EndOfSource, Message, Sink, Source

T = TypeVar("T")


class ListSource(Source[T]):
    """Gives the items of a list, and remembers acks; what was not acked is given again by `again`."""

    def __init__(self, items: Sequence[T], *, ids: Sequence[int] = ()) -> None:
        """Make a source.

        Args:
            items: The payloads.
            ids: The ids of their messages; default their places from 0.
        """
        self.items = list(items)
        self.ids = list(ids) or list(range(len(self.items)))
        self.acked: list[str] = []
        """Ids in the order of their acks."""
        self.dead: list[str] = []
        """Ids of those acked after a dead letter."""
        self.nacked: list[str] = []
        self.largest_demand = 0
        self.closed = 0
        self._next = 0

    async def pull(self, demand: int) -> Sequence[Message[T]]:
        self.largest_demand = max(self.largest_demand, demand)
        if self._next >= len(self.items):
            raise EndOfSource
        first, self._next = self._next, min(self._next + demand, len(self.items))
        return [Message(self.items[place], self.ids[place]) for place in range(first, self._next)]

    async def ack(self, messages: Sequence[Message[T]]) -> None:
        self.acked += [message.id for message in messages]
        self.dead += [message.id for message in messages if message.dead]

    async def nack(self, messages: Sequence[Message[T]]) -> None:
        self.nacked += [message.id for message in messages]

    async def aclose(self) -> None:
        self.closed += 1

    def again(self) -> "ListSource[T]":
        """What a restart would be given: the items that were not acked, under their old ids."""
        done = set(self.acked)
        left = [place for place, number in enumerate(self.ids) if str(number) not in done]
        return ListSource(
            [self.items[place] for place in left], ids=[self.ids[place] for place in left]
        )


class CrashingSource(ListSource[T]):
    """A list source that fails once `after` items were given."""

    def __init__(self, items: Sequence[T], after: int, error: Exception | None = None) -> None:
        super().__init__(items)
        self._after = after
        self._error = error or ConnectionError("the source is gone")

    async def pull(self, demand: int) -> Sequence[Message[T]]:
        room = self._after - self._next
        if room <= 0:
            raise self._error
        return await super().pull(min(demand, room))


class ListSink(Sink[T]):
    """Keeps payloads in three lists: written, flushed and, the only ones that count, committed."""

    def __init__(self) -> None:
        self.written: list[T] = []
        self.flushed: list[T] = []
        self.committed: list[T] = []
        self.commits = 0
        self.closed = 0

    async def write(self, messages: Sequence[Message[T]]) -> None:
        self.written += [message.payload for message in messages]

    async def flush(self) -> None:
        self.flushed += self.written
        self.written.clear()

    async def commit(self) -> None:
        self.committed += self.flushed
        self.flushed.clear()
        self.commits += 1

    async def aclose(self) -> None:
        self.closed += 1
