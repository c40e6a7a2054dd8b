"""Shared memory that is used again: pages that are there already cost nothing but the copy.

A segment belongs to one end of a connection, which writes; the other end keeps its map of it. The first
byte says whether it is taken: the writer sets it, the reader clears it when nothing is left of what it
made of the content. So nothing has to be sent for it, and a reader that dies holds nobody up.
"""

import ctypes
import mmap
import os
import pickle
import sys
import tempfile
import weakref
from collections.abc import Sequence

_TOTAL = 32 << 20
"""Bytes of segments that one end keeps; what does not fit has memory of its own, for once."""
_MOST = 4
_PAGE = mmap.PAGESIZE
"""Where the content begins, so that it is aligned."""

_FORKS = [0]
"""How often this process has forked. What was lent before is looked at by two now: it is never given back."""


def open_shared(size: int) -> int:
    """A descriptor of unnamed shared memory of that size."""
    if sys.platform == "linux":
        handle = os.memfd_create("penstock", os.MFD_CLOEXEC)
    else:
        with tempfile.TemporaryFile() as file:
            handle = os.dup(file.fileno())
    os.ftruncate(handle, size)
    return handle


class Segment:
    """One piece, as its writer has it; `handle` until the other end has been told of it, then -1."""

    __slots__ = ("_map", "handle", "number", "room")

    def __init__(self, number: int, room: int) -> None:
        self.number = number
        self.room = room
        self.handle = open_shared(_PAGE + room)
        self._map = mmap.mmap(self.handle, _PAGE + room)

    @property
    def taken(self) -> bool:
        """Whether it has content that somebody may still look at."""
        return bool(self._map[0])

    def write(self, parts: Sequence[bytes | memoryview]) -> None:
        """Take it, and copy the parts into it, one after the other."""
        self._map[0] = 1
        place = _PAGE
        with memoryview(self._map) as content:
            for part in parts:
                content[place : place + len(part)] = part
                place += len(part)

    def told(self) -> None:
        """The other end has the descriptor."""
        os.close(self.handle)
        self.handle = -1

    def give_back(self) -> None:
        """What was written is not sent."""
        if not self._map.closed:
            self._map[0] = 0

    def close(self) -> None:
        """Let go of it; the other end has a map of its own."""
        if self.handle >= 0:
            self.told()
        self._map.close()


class Segments:
    """The segments of one end of a connection."""

    def __init__(self) -> None:
        self._kept: list[Segment] = []
        self._closed = False

    @property
    def kept(self) -> int:
        """How many there are."""
        return len(self._kept)

    def find(self, size: int) -> Segment | None:
        """One that is free and has room; None: there are enough, and none is."""
        for segment in self._kept:
            if segment.room >= size and not segment.taken:
                return segment
        # Payloads of about the same size fit into the same one.
        room = -(-(size + size // 8) // _PAGE) * _PAGE
        if (
            self._closed
            or len(self._kept) == _MOST
            or room + sum(one.room for one in self._kept) > _TOTAL
        ):
            return None
        self._kept.append(Segment(len(self._kept), room))
        return self._kept[-1]

    def close(self) -> None:
        """Let go of them: nothing more will be sent."""
        self._closed = True
        while self._kept:
            self._kept.pop().close()


class Lent:
    """The segments of the other end, as their reader has them."""

    def __init__(self) -> None:
        self._maps: dict[int, mmap.mmap] = {}

    def learn(self, number: int, handle: int) -> None:
        """Map a segment that is new."""
        try:
            self._maps[number] = mmap.mmap(handle, 0)
        finally:
            os.close(handle)

    def content(self, number: int, size: int) -> memoryview:
        """What was written; the segment is free when nothing is left that was made of the view."""
        shared = self._maps[number]
        holder = (ctypes.c_ubyte * (len(shared) - _PAGE)).from_buffer(shared, _PAGE)
        weakref.finalize(holder, _free, shared, _FORKS[0]).atexit = False
        return pickle.PickleBuffer(holder).raw()[:size]

    def close(self) -> None:
        """Learn no more; each map goes with what was made of it."""
        self._maps.clear()


def _free(shared: mmap.mmap, forks: int) -> None:
    if forks == _FORKS[0]:
        shared[0] = 0


def _forked() -> None:
    _FORKS[0] += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_forked)
