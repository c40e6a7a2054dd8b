"""Where messages enter a flow."""

import asyncio
import threading
from collections import deque
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from itertools import islice
from typing import Any, Protocol, TypeVar, runtime_checkable

from penstock.flow._message import Message, Mint, Place, sizes_of
from penstock.flow._pack import Pack

T = TypeVar("T")
_PATIENCE = 0.001


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


@runtime_checkable
class SeekableSource(Source[T], Protocol[T]):
    """A source that can go on where an earlier run ended, by what a checkpoint remembers of it.

    It consists of lanes (files, partitions), each in an order that never changes. Every message
    says `offset=(lane, start, end)`: the end of what comes before it in its lane, and its own end.
    Messages of a lane are given in ascending order, and each starts where the one before it ended.

    The runtime settles messages in any order, and remembers of each lane a frontier, up to which
    all is settled, and what is settled beyond. It calls `seek` once, before the first `pull`, and
    skips what is settled beyond the frontiers by itself.
    """

    @property
    def identity(self) -> str:
        """What is read, for people; a checkpoint is refused by a source of another identity."""
        ...

    async def seek(self, lanes: Mapping[str, tuple[Place | None, str]]) -> None:
        """Give of these lanes only what comes after a frontier; of lanes not named give everything.

        Args:
            lanes: For each lane its frontier (None: its beginning), and the mark made for it.

        Raises:
            CheckpointError: What came before the frontier is no longer what was marked.
        """
        ...

    async def marks(self, frontiers: Mapping[str, Place | None]) -> Mapping[str, str]:
        """A text for each lane by which `seek` sees whether all before the frontier is as it was."""
        ...


class PulledSource(Source[T]):
    """A base for sources that cannot give a message again, and need no acks.

    Their messages are numbered from 0.
    """

    def __init__(self) -> None:
        self.mint = Mint()
        self._pulled = 0

    async def pull_payloads(self, demand: int) -> list[T]:
        """As `pull`, without the messages around them."""
        raise NotImplementedError

    async def pull_pack(self, demand: int) -> Pack[T]:
        """As `pull`, for whoever does not need the messages one by one."""
        payloads = await self.pull_payloads(demand)
        first, self._pulled = self._pulled, self._pulled + len(payloads)
        sizes = sizes_of(payloads, set(map(type, payloads)))
        return Pack(payloads, range(first, self._pulled), sizes, self.mint)

    async def pull(self, demand: int) -> Sequence[Message[T]]:
        return (await self.pull_pack(demand)).messages()

    async def ack(self, messages: Sequence[Message[T]]) -> None:
        pass

    async def nack(self, messages: Sequence[Message[T]]) -> None:
        pass

    async def aclose(self) -> None:
        pass


class SequenceSource(PulledSource[T]):
    """Reads what is in memory already, on the loop."""

    def __init__(self, items: Iterable[T]) -> None:
        super().__init__()
        self._items = iter(items)

    async def pull_payloads(self, demand: int) -> list[T]:
        items = list(islice(self._items, demand))
        if not items:
            raise EndOfSource
        return items


class IterableSource(PulledSource[T]):
    """Reads an iterable that may block, in a thread beside the loop.

    What has been read is handed on within a millisecond, whether or not more comes. A thread that
    blocks for ever does not keep the program from ending.
    """

    def __init__(self, items: Iterable[T], name: str) -> None:
        super().__init__()
        self._iterator: Iterator[T] | None = None
        self._items = items
        self._name = name
        self._read: deque[T] = deque()
        self._reading: asyncio.Future[bool] | None = None
        self._hungry: Callable[[], object] | None = None

    async def pull_payloads(self, demand: int) -> list[T]:
        if self._reading is None:
            loop = asyncio.get_running_loop()
            self._reading = call_in_thread(self._name, lambda: self._fill(demand, loop))
        # A pull that is cancelled leaves its read under way: the next pull, or nobody, gets it.
        await asyncio.wait([self._reading], timeout=_PATIENCE)
        if not self._read and not self._reading.done():
            await self._wait_some(self._reading)
        if not self._read:
            reading, self._reading = self._reading, None
            if reading.result():
                raise EndOfSource
        items = [self._read.popleft() for _ in range(min(demand, len(self._read)))]
        if self._reading is not None and self._reading.done() and not self._read:
            # An end or an error is for the next pull to say.
            more = self._reading.exception() is None and not self._reading.result()
            self._reading = None if more else self._reading
        return items

    async def _wait_some(self, reading: "asyncio.Future[bool]") -> None:
        some = asyncio.Event()
        self._hungry = some.set
        waiter: asyncio.Future[Any] = asyncio.ensure_future(some.wait())
        either: list[asyncio.Future[Any]] = [reading, waiter]
        try:
            if not self._read:
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._hungry = None
            waiter.cancel()

    def _fill(self, count: int, loop: asyncio.AbstractEventLoop) -> bool:
        """In the thread: read up to `count` items; True at the end of the iterable."""
        if self._iterator is None:
            self._iterator = iter(self._items)
        before = count
        for item in islice(self._iterator, count):
            self._read.append(item)
            before -= 1
            hungry, self._hungry = self._hungry, None
            if hungry is not None:
                loop.call_soon_threadsafe(hungry)
        return before > 0


class AsyncIterableSource(PulledSource[T]):
    """Reads an async iterable, item by item, as they come."""

    def __init__(self, items: AsyncIterable[T]) -> None:
        super().__init__()
        self._iterator: AsyncIterator[T] = aiter(items)

    async def pull_payloads(self, demand: int) -> list[T]:
        try:
            return [await anext(self._iterator)]
        except StopAsyncIteration:
            raise EndOfSource from None

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
