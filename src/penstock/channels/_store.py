"""Where the messages of a channel lie: bounded, in order, with what is in whose hands."""

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, Protocol

from penstock.base import Value
from penstock.channels._waiting import Line
from penstock.flow import ChannelClosedError


@dataclass(slots=True)
class Entry:
    """A message as a channel keeps it, whatever its writer or its reader do with theirs."""

    payload: Any
    id: str
    attempt: int
    size: int


Held = tuple[int, Entry]
"""An entry in hand, and the number by which it is settled or handed back."""


class ChannelStatistics(Value):
    """A channel at one instant."""

    items: int
    """Messages that wait."""
    bytes: int
    """Their bytes, by `Message.size`."""
    in_hand: int
    """Messages that were got, and neither settled nor handed back."""
    peak_items: int
    """Most messages that have waited."""
    peak_bytes: int
    """Most bytes that have waited."""
    returned: int
    """How often a message was handed back, or came back from a reader that died."""


class Depot(Protocol):
    """What a channel stands on: the store itself, or a connection to one in another process."""

    lock: "threading.RLock"
    """Held from a failed try until its wait has begun, and by those who wake."""
    readers: Line
    writers: Line
    finishers: Line
    """Those who wait until all is settled."""

    @property
    def ended(self) -> bool:
        """Whether the last `get` found the end of the stream."""
        ...

    def put(self, entries: Sequence[Entry]) -> int:
        """Put as many as there is room for, in their order; returns how many."""
        ...

    def get(self, limit: int) -> list[Held]:
        """Up to `limit` entries, which are then in hand."""
        ...

    def settle(self, numbers: Sequence[int]) -> None:
        """Forget entries in hand."""
        ...

    def hand_back(self, numbers: Sequence[int], *, attempted: bool) -> None:
        """Put entries in hand before all others, in the order in which they were got."""
        ...

    def settled(self) -> bool:
        """Whether nothing waits and nothing is in hand."""
        ...

    def close(self) -> None:
        """Take nothing more."""
        ...

    def statistics(self) -> ChannelStatistics:
        """A frozen picture of now."""
        ...


class Store(Depot):
    """The entries of one channel, in this process; safe for any thread."""

    def __init__(self, name: str, capacity: int, capacity_bytes: int) -> None:
        self._name = name
        self._capacity = capacity
        self._capacity_bytes = capacity_bytes
        self.lock = threading.RLock()
        self.readers, self.writers, self.finishers = Line(), Line(), Line()
        # Those in other processes look again all of them: one that has died could not wake the next.
        self.far_readers, self.far_writers, self.far_finishers = Line(), Line(), Line()
        self._entries: deque[Entry] = deque()
        self._hands: dict[int, Entry] = {}
        self._numbers = count(1)
        self._bytes = self._peak_items = self._peak_bytes = self._returned = 0
        self.closed = False

    @property
    def ended(self) -> bool:
        return self.closed and not self._entries

    def put(self, entries: Sequence[Entry]) -> int:
        with self.lock:
            if self.closed:
                raise ChannelClosedError(self._name)
            entered = 0
            for entry in entries:
                if not self.has_room(entry.size):
                    break
                self._entries.append(entry)
                self._bytes += entry.size
                entered += 1
                self.readers.wake_one()
            self._note_peak()
            if entered:
                self.far_readers.wake_all()
                if self.has_room(1):
                    self.writers.wake_one()
            return entered

    def has_room(self, size: int) -> bool:
        """Whether an entry of so many bytes may enter now; the first always may."""
        waiting = len(self._entries)
        return not waiting or (
            waiting < self._capacity and self._bytes + size <= self._capacity_bytes
        )

    def get(self, limit: int) -> list[Held]:
        with self.lock:
            taken: list[Held] = []
            while self._entries and len(taken) < limit:
                entry = self._entries.popleft()
                self._bytes -= entry.size
                number = next(self._numbers)
                self._hands[number] = entry
                taken.append((number, entry))
            if taken:
                self.writers.wake_one()
                self.far_writers.wake_all()
            return taken

    def settle(self, numbers: Sequence[int]) -> None:
        with self.lock:
            for number in numbers:
                del self._hands[number]
            if self.settled():
                self.finishers.wake_all()
                self.far_finishers.wake_all()

    def hand_back(self, numbers: Sequence[int], *, attempted: bool) -> None:
        with self.lock:
            entries = [self._hands.pop(number) for number in sorted(numbers)]
            self._returned += len(entries)
            for entry in reversed(entries):
                entry.attempt += attempted
                self._entries.appendleft(entry)
                self._bytes += entry.size
                self.readers.wake_one()
            self.far_readers.wake_all()
            self._note_peak()

    def close(self) -> None:
        with self.lock:
            self.closed = True
            for line in (self.readers, self.writers, self.far_readers, self.far_writers):
                line.wake_all()

    def settled(self) -> bool:
        return not self._entries and not self._hands

    def statistics(self) -> ChannelStatistics:
        with self.lock:
            return ChannelStatistics(
                len(self._entries),
                self._bytes,
                len(self._hands),
                self._peak_items,
                self._peak_bytes,
                self._returned,
            )

    def _note_peak(self) -> None:
        self._peak_items = max(self._peak_items, len(self._entries))
        self._peak_bytes = max(self._peak_bytes, self._bytes)
