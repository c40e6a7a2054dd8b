"""The bounded channel between two stages: a channel that is full holds its upstream back."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from itertools import repeat, starmap
from typing import Any, Protocol, TypeVar

from penstock.flow._errors import ChannelClosedError
from penstock.flow._message import Message
from penstock.flow._pack import Pack, joined
from penstock.flow._statistics import Histogram

T = TypeVar("T")
Waiters = deque[asyncio.Future[None]]
_SAMPLED = 16
"""One message in so many has its waiting time measured."""
_SAMPLED_OF_MANY = 64
"""The same where they come many at once, after the first."""
_SAMPLED_OF_PACKS = 256
"""The same where they come in packs."""


class Channel(Protocol[T]):
    """What stands between two stages: bounded in items and in bytes, first in, first out.

    A single message larger than the whole capacity is admitted when the channel is empty.
    Any number of tasks of one event loop may put and get. Cancellation of a waiting `put` or
    `get` leaves the channel as it was.
    """

    async def put(self, message: Message[T]) -> None:
        """Return once the message is in the channel, waiting for room.

        Raises:
            ChannelClosedError: The channel is closed.
        """
        ...

    async def get(self) -> Message[T] | None:
        """The next message, waiting for one; None at the end of the stream, for every caller."""
        ...

    def put_nowait(self, message: Message[T]) -> bool:
        """Put the message if there is room, and say so."""
        ...

    def get_nowait(self) -> Message[T] | None:
        """The next message if there is one."""
        ...

    def close(self) -> None:
        """Nothing more will be put; what is inside can still be taken. Safe to call twice."""
        ...


class MemoryChannel(Channel[T]):
    """A channel in the memory of one process, for the tasks of one event loop.

    Where `pack_size` is set it also holds messages as packs, as long as nobody asks for single
    ones: then, or when single ones are put, it makes messages of all packs inside.
    """

    def __init__(
        self,
        name: str = "channel",
        *,
        capacity: int = 1024,
        capacity_bytes: int = 64 * 2**20,
        time: Callable[[], float] = lambda: 0.0,
        writers: int = 1,
    ) -> None:
        """Make an empty channel.

        Args:
            name: Appears in errors.
            capacity: Most messages inside, at least 1.
            capacity_bytes: Most bytes inside, by `Message.size`.
            time: A monotonic clock, in seconds, for the waiting times.
            writers: How many say `finish` before that is the end of the stream.
        """
        self.name = name
        self.capacity = capacity
        self.capacity_bytes = capacity_bytes
        # Of these two one is empty; `packed` counts the messages in packs.
        self.items: deque[Message[T]] = deque()
        self.packs: deque[Pack[T]] = deque()
        self.packed = 0
        self.pack_size = 0
        self.bytes = 0
        self.closed = False
        self.peak_items = 0
        self.peak_bytes = 0
        self.wait = Histogram()
        self._writers = writers
        # Writers come back when half of the room is free, not for each place: far fewer switches.
        self._low = capacity // 2
        self._low_bytes = capacity_bytes // 2
        self._getters: Waiters = deque()
        self._putters: Waiters = deque()
        self._time = time
        # The size of every message inside where they are all of one size, else -1: spares adding them up.
        self._same = -1
        self._puts = self._gets = 0
        self._marks: deque[tuple[int, float]] = deque()
        self._next_mark = self._next_wait = 0
        self._head_since = 0.0

    @property
    def count(self) -> int:
        """How many messages are inside."""
        return len(self.items) + self.packed

    def put_nowait(self, message: Message[T]) -> bool:
        items = self._unpacked() if self.packed else self.items
        count = len(items)
        if count >= self.capacity or (count and self.bytes + message.size > self.capacity_bytes):
            self._note_peak()
            return False
        if self.closed:
            raise ChannelClosedError(self.name)
        items.append(message)
        self.bytes += message.size
        if message.size != self._same:
            self._same = -1 if count else message.size
        self._puts += 1
        if not count or not self._puts % _SAMPLED:
            self._mark()
        if self._getters:
            wake_one(self._getters)
        return True

    def put_many_nowait(self, messages: Sequence[Message[T]], size: int | None = None) -> int:
        """Put as many of the messages as there is room for, in their order; returns how many.

        Args:
            messages: In their order.
            size: Their bytes in all, where the caller knows, and knows that each has as many.
        """
        items = self._unpacked() if self.packed else self.items
        sizes = [message.size for message in messages] if size is None else []
        total = sum(sizes) if size is None else size
        if (
            len(items) + len(messages) > self.capacity
            or self.bytes + total > self.capacity_bytes
            or self.closed
        ):
            for count, message in enumerate(messages):
                if not self.put_nowait(message):
                    return count
            return len(messages)
        if messages:
            each = messages[0].size
            same = size is not None or sizes.count(each) == len(sizes)
            self._same = each if same and (not items or each == self._same) else -1
        self._puts += len(messages)
        items.extend(messages)
        self.bytes += total
        self._mark(len(messages))
        self._wake(len(messages))
        return len(messages)

    def put_pack_nowait(self, pack: Pack[T]) -> int:
        """Put it if there is room for all of it; into an empty channel as much of it as there is room for.

        Returns:
            How many messages were put.

        Raises:
            ChannelClosedError: The channel is closed.
        """
        if self.items or not self.pack_size:
            return self.put_many_nowait(pack.messages())
        if self.closed:
            raise ChannelClosedError(self.name)
        packed, held = self.packed + pack.count, self.bytes + pack.bytes
        if packed > self.capacity or held > self.capacity_bytes:
            self._note_peak()
            if self.packed:
                return 0
            count = min(self.capacity, pack.fitting(self.capacity_bytes))
            pack = pack.part(0, max(count, 1))
            packed, held = pack.count, pack.bytes
        pack.since = self._time()
        if pack.count <= self.pack_size:
            self.packs.append(pack)
        else:
            self.packs.extend(pack.cut(self.pack_size))
        self.packed, self.bytes = packed, held
        if packed > self.peak_items or held > self.peak_bytes:
            self._note_peak()
        self._puts += pack.count
        if self._getters:
            self._wake(pack.count)
        return pack.count

    async def put(self, message: Message[T]) -> None:
        again = False
        while not self.put_nowait(message):
            await self.wait_room(again=again)
            again = True
        self.pass_room()

    def get_nowait(self) -> Message[T] | None:
        items = self._unpacked() if self.packed else self.items
        if not items:
            return None
        message = items.popleft()
        self.bytes -= message.size
        self._gets += 1
        if self._gets >= self._next_mark:
            self._pass_marks()
        if self._putters and self._has_room():
            wake_one(self._putters)
        return message

    def get_many_nowait(self, limit: int) -> list[Message[T]]:
        """Up to `limit` messages that are there."""
        items = self._unpacked() if self.packed else self.items
        count = min(limit, len(items))
        if count == len(items):
            taken = list(items)
            items.clear()
        else:
            taken = list(starmap(items.popleft, repeat((), count)))
        same = self._same
        self.bytes -= count * same if same >= 0 else sum([message.size for message in taken])
        self._gets += count
        if self._gets >= self._next_mark:
            self._pass_marks()
        if self._putters and self._has_room():
            wake_one(self._putters)
        return taken

    def get_pack_nowait(self, limit: int) -> Pack[T]:
        """A pack of up to `limit` messages; only where there are packs, as `packed` says."""
        pack = self.packs.popleft()
        if pack.count != limit:
            pack = self._collected(pack, min(limit, self.packed))
        self.packed -= pack.count
        self.bytes -= pack.bytes
        self._gets += pack.count
        if self._gets >= self._next_wait:
            self._next_wait = self._gets + _SAMPLED_OF_PACKS
            self.wait.add(self._time() - pack.since)
        if self._putters and self._has_room():
            wake_one(self._putters)
        return pack

    async def get(self) -> Message[T] | None:
        while (message := self.get_nowait()) is None:
            if self.closed:
                return None
            await self.wait_changed()
        return message

    async def wait_changed(self) -> None:
        """Return after something was put, after the end, or after `wake`; look again then."""
        await sleep_in(self._getters)

    async def wait_room(self, *, again: bool = False) -> None:
        """Return when there may be room; `again` keeps the turn of a caller that found too little."""
        await sleep_in(self._putters, first=again)

    def pass_room(self) -> None:
        """Wake the next who waits for room, if there is some left."""
        if self._putters and self._has_room():
            wake_one(self._putters)

    def wake(self) -> None:
        """Make one waiting `wait_changed` return."""
        if self._getters:
            wake_one(self._getters)

    def wake_all(self) -> None:
        """Make every waiting `wait_changed` return."""
        self._wake(len(self._getters))

    def wake_writers(self) -> None:
        """Make everyone who waits for room look again."""
        for _ in range(len(self._putters)):
            wake_one(self._putters)

    def finish(self) -> None:
        """One of its writers puts nothing more; with the last one the stream ends."""
        self._writers -= 1
        if not self._writers:
            self.close()

    def close(self) -> None:
        self.closed = True
        self.wake_all()
        self.wake_writers()

    def oldest_age(self) -> float:
        """Seconds that the oldest message has waited, at most 16 messages too old; 0 when empty."""
        if self.packs:
            return self._time() - self.packs[0].since
        return self._time() - self._head_since if self.items else 0.0

    def _collected(self, first: Pack[T], count: int) -> Pack[T]:
        """A pack of `count` messages of `first` and those after it."""
        taken = [first]
        while (count := count - taken[-1].count) > 0:
            taken.append(self.packs.popleft())
        if count:
            last = taken.pop()
            taken.append(last.part(0, last.count + count))
            self.packs.appendleft(last.part(last.count + count, last.count))
        return joined(taken)

    def _unpacked(self) -> deque[Message[T]]:
        """Messages in the place of the packs, each noted to have come when its pack did."""
        self._head_since = self.packs[0].since
        number = self._gets
        for pack in self.packs:
            self.items.extend(pack.messages())
            number += pack.count
            self._marks.append((number, pack.since))
        self._next_mark = self._marks[0][0]
        self.packs.clear()
        self.packed = 0
        self._same = -1
        return self.items

    def _wake(self, most: int) -> None:
        for _ in range(min(len(self._getters), most)):
            wake_one(self._getters)

    def _has_room(self) -> bool:
        return self.count <= self._low and self.bytes <= self._low_bytes

    def _mark(self, count: int = 1) -> None:
        """Note when the last `count` messages came."""
        now = self._time()
        self._note_peak()
        if len(self.items) == count:
            self._head_since = now
        if count > _SAMPLED:
            first = self._puts - count + 1
            self._marks.extend(zip(range(first, self._puts, _SAMPLED_OF_MANY), repeat(now)))
        self._marks.append((self._puts, now))
        self._next_mark = self._marks[0][0]

    def _note_peak(self) -> None:
        self.peak_items = max(self.peak_items, self.count)
        self.peak_bytes = max(self.peak_bytes, self.bytes)

    def _pass_marks(self) -> None:
        marks, now = self._marks, self._time()
        while marks and marks[0][0] <= self._gets:
            _, self._head_since = marks.popleft()
            self.wait.add(now - self._head_since)
        self._next_mark = marks[0][0] if marks else self._puts + _SAMPLED


async def sleep_in(waiters: Waiters, *, first: bool = False) -> None:
    """Wait among `waiters` until woken; a wake-up that came too late is passed to the next."""
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    if first:
        waiters.appendleft(future)
    else:
        waiters.append(future)
    try:
        await future
    except asyncio.CancelledError:
        if future.done() and not future.cancelled() and waiters:
            wake_one(waiters)
        elif future in waiters:
            waiters.remove(future)
        raise


def heed_cancellation() -> None:
    """Go no further in a task whose cancellation was swallowed by what it awaited.

    Raises:
        asyncio.CancelledError: It was.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def wake_one(waiters: Waiters) -> None:
    """Wake the first who still waits."""
    while waiters:
        future = waiters.popleft()
        if not future.done():
            future.set_result(None)
            return
