"""Iterables that can be resumed: by the number of an item, or by a cursor that it carries."""

from collections.abc import AsyncIterable, Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from penstock.flow._errors import CheckpointError
from penstock.flow._message import Message, Place
from penstock.flow._source import EndOfSource, SeekableSource, Source, source_of

T = TypeVar("T")
Items = Iterable[T] | AsyncIterable[T] | Callable[[Any], Iterable[T] | AsyncIterable[T]]
_LANE = "items"
_STEP = 512


class CursorSource(SeekableSource[T]):
    """One lane: the items of an iterable, placed by their number or by their cursor."""

    def __init__(self, items: Any, cursor: Callable[[T], Place] | None, name: str) -> None:
        self._items = items
        self._cursor = cursor
        self._name = name
        self._place: Any = 0 if cursor is None else None
        self._until: Any = None
        self._inner: Source[T] | None = None

    @property
    def identity(self) -> str:
        return f"items by {'number' if self._cursor is None else 'cursor'}"

    async def seek(self, lanes: Mapping[str, tuple[Place | None, str]]) -> None:
        frontier, _ = lanes.get(_LANE, (None, ""))
        if frontier is None:
            return
        if self._cursor is None:
            await self._skip(frontier)
        else:
            self._until = frontier
        self._place = frontier

    async def marks(self, frontiers: Mapping[str, Place | None]) -> Mapping[str, str]:
        return dict.fromkeys(frontiers, "")

    async def pull(self, demand: int) -> Sequence[Message[T]]:
        payloads = [message.payload for message in await self._open().pull(demand)]
        return self._by_number(payloads) if self._cursor is None else self._by_cursor(payloads)

    async def ack(self, messages: Sequence[Message[T]]) -> None:
        pass

    async def nack(self, messages: Sequence[Message[T]]) -> None:
        pass

    async def aclose(self) -> None:
        if self._inner is not None:
            await self._inner.aclose()

    def _open(self) -> Source[T]:
        """The source below; made when the place to begin is known."""
        if self._inner is None:
            made = self._items(self._until) if callable(self._items) else self._items
            self._inner = source_of(made, self._name)
        return self._inner

    async def _skip(self, count: Any) -> None:
        inner, skipped = self._open(), 0
        while skipped < count:
            try:
                skipped += len(await inner.pull(min(_STEP, count - skipped)))
            except EndOfSource:
                raise CheckpointError(
                    self.identity,
                    f"the source gives {skipped:,} items now, and {count:,} of it are settled already",
                    "give it the same items again, or begin anew with another checkpoint directory",
                ) from None

    def _by_number(self, payloads: list[T]) -> list[Message[T]]:
        first = self._place
        self._place = first + len(payloads)
        return [
            Message(payload, number, (_LANE, number, number + 1))
            for number, payload in enumerate(payloads, start=first)
        ]

    def _by_cursor(self, payloads: list[T]) -> list[Message[T]]:
        messages = []
        for payload in payloads:
            cursor: Any = self._cursor(payload)  # type: ignore[misc] # the caller has seen that there is one
            if self._until is not None and cursor <= self._until:
                continue
            if self._place is not None and cursor <= self._place:
                raise CheckpointError(
                    self.identity,
                    f"an item with the cursor {cursor!r} came after one with {self._place!r}",
                    "have the source give its items in ascending order of their cursors, each cursor once",
                )
            messages.append(Message(payload, cursor, (_LANE, self._place, cursor)))
            self._place = cursor
        return messages


def resumable(items: Items[T], *, cursor: Callable[[T], Place] | None = None) -> SeekableSource[T]:
    """A source of items that a flow with a checkpoint can go on with.

    Args:
        items: An iterable or async iterable that gives the same items in the same order after a
            restart; what is settled is read again and skipped. With `cursor` it may be a function
            that is given the last cursor before which all is settled, or None, and returns the
            items after it: nothing is read again.
        cursor: The place of an item: a whole number or a text, ascending from item to item, as a
            primary key or an ISO time with a counter. Items that vanish between two runs do no
            harm then. By default the number of the item.

    Raises:
        TypeError: `items` is a function, and there is no `cursor`.
    """
    if callable(items) and cursor is None:
        raise TypeError(
            f"expected cursor=..., the place of an item, for {items!r}, which is called with one"
        )
    return CursorSource(items, cursor, "items")
