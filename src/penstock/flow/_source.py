"""Where messages enter a flow."""

import asyncio
import threading
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Protocol, TypeVar, runtime_checkable

from penstock.flow._message import Message

T = TypeVar("T")
_BRISK = 0.002


class EndOfSource(Exception):  # noqa: N818 - a signal, not an error
    """Raised by `Source.pull`: nothing more will ever come."""


@runtime_checkable
class Source(Protocol[T]):
    """Where messages enter a flow.

    The runtime calls `pull` whenever the stage below has room, one call at a time, and `aclose`
    exactly once, also after a failure. `ack` and `nack` are called one at a time, but also while
    a `pull` waits.

    Delivery: at least once, where the source gives again after a restart what was not acknowledged.
    """

    async def pull(self, demand: int) -> Sequence[Message[T]]:
        """Return between 0 and `demand` messages; none means "none yet, ask again".

        The call waits for messages; it is cancelled when the flow drains, and must then lose none.

        Args:
            demand: Messages the flow has room for now, at least 1. Never exceed it.

        Raises:
            EndOfSource: Nothing more will ever come; the flow drains and stops.
        """
        ...

    async def ack(self, messages: Sequence[Message[T]]) -> None:
        """All that was made of these messages is settled, in any order; never given twice.

        `message.dead` says whether any of it was dead-lettered, which is durable by now.
        """
        ...

    async def nack(self, messages: Sequence[Message[T]]) -> None:
        """These messages are handed back, neither done nor dead; a restart should give them again."""
        ...

    async def aclose(self) -> None:
        """Let go of whatever is held; nothing is called after it."""
        ...


class PulledSource(Source[T]):
    """A base for sources that cannot give a message again, and need no acks."""

    async def ack(self, messages: Sequence[Message[T]]) -> None:
        pass

    async def nack(self, messages: Sequence[Message[T]]) -> None:
        pass

    async def aclose(self) -> None:
        pass


class SequenceSource(PulledSource[T]):
    """Reads what is in memory already, on the loop."""

    def __init__(self, items: Iterable[T]) -> None:
        self._items = iter(items)
        self._number = 0

    async def pull(self, demand: int) -> Sequence[Message[T]]:
        first = self._number
        messages = [
            Message(item, number)
            for number, item in enumerate(islice(self._items, demand), start=first)
        ]
        if not messages:
            raise EndOfSource
        self._number += len(messages)
        return messages


class IterableSource(PulledSource[T]):
    """Reads an iterable that may block, in a thread of its own.

    It reads one item at a time while items come slowly, and up to the demand while they come
    fast, so that a slow iterable delays nothing. A thread that blocks for ever does not keep the
    program from ending.
    """

    def __init__(self, items: Iterable[T], name: str) -> None:
        self._iterator: Iterator[T] | None = None
        self._items = items
        self._name = name
        self._number = 0
        self._stride = 1
        self._waiting: asyncio.Future[tuple[list[T], bool]] | None = None
        self._ended = False

    async def pull(self, demand: int) -> Sequence[Message[T]]:
        loop = asyncio.get_running_loop()
        if self._ended:
            raise EndOfSource
        if self._waiting is None:
            self._waiting = call_in_thread(
                self._name, lambda: self._read(min(self._stride, demand))
            )
        started = loop.time()
        # A pull that is cancelled leaves its read under way: the next pull, or nobody, gets it.
        items, self._ended = await asyncio.shield(self._waiting)
        self._waiting = None
        self._stride = self._stride * 2 if loop.time() - started < _BRISK else 1
        messages = [Message(item, number) for number, item in enumerate(items, self._number)]
        self._number += len(messages)
        return messages

    def _read(self, count: int) -> tuple[list[T], bool]:
        if self._iterator is None:
            self._iterator = iter(self._items)
        items = list(islice(self._iterator, count))
        return items, len(items) < count


class AsyncIterableSource(PulledSource[T]):
    """Reads an async iterable, item by item, as they come."""

    def __init__(self, items: AsyncIterable[T]) -> None:
        self._iterator: AsyncIterator[T] = aiter(items)
        self._number = 0

    async def pull(self, demand: int) -> Sequence[Message[T]]:
        try:
            item = await anext(self._iterator)
        except StopAsyncIteration:
            raise EndOfSource from None
        self._number += 1
        return [Message(item, self._number - 1)]

    async def aclose(self) -> None:
        close = getattr(self._iterator, "aclose", None)
        if close is not None:
            await close()


def source_of(given: Any, name: str) -> Source[Any]:
    """The source that stands for what a user gave: a `Source`, an iterable or an async iterable.

    Raises:
        TypeError: It is none of these.
    """
    if isinstance(given, Source):
        return given
    if isinstance(given, (list, tuple, range, str, dict, set, frozenset)):
        return SequenceSource(given)
    if isinstance(given, AsyncIterable):
        return AsyncIterableSource(given)
    if isinstance(given, Iterable):
        return IterableSource(given, f"{name}/source")
    raise TypeError(
        f"expected a source (an iterable, an async iterable, or an object with pull, ack, nack and aclose), "
        f"got {given!r}"
    )


def call_in_thread(name: str, work: Callable[[], T]) -> "asyncio.Future[T]":
    """Run `work` in a daemon thread of its own, which nobody has to wait for."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if not future.done():
            if error is None:
                future.set_result(result)  # type: ignore[arg-type] # without an error there is a result
            else:
                future.set_exception(error)

    def run() -> None:
        result, failure = None, None
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - carried over to the loop
            failure = error
        try:
            loop.call_soon_threadsafe(settle, result, failure)
        except RuntimeError:
            return  # the loop was closed while the call was blocked: nobody waits for it any more

    threading.Thread(target=run, name=name, daemon=True).start()
    return future
