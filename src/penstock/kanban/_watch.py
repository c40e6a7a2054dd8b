"""Sleep until something comes into a directory: inotify(7) where there is one, else a short sleep."""

import asyncio
import ctypes
import os
import select
import sys
from collections.abc import Iterable
from contextlib import suppress

_COMES = 0x8 | 0x80  # IN_CLOSE_WRITE, IN_MOVED_TO
_GOES = 0x40  # IN_MOVED_FROM
_NONBLOCK, _CLOEXEC = os.O_NONBLOCK, os.O_CLOEXEC
_POLL_S = 0.25


class Watch:
    """Wakes whoever waits when files come into some directories, or are moved out of others.

    A hint: look, whatever it says.
    """

    def __init__(self, directories: Iterable[str], *, leaving: Iterable[str] = ()) -> None:
        self._wake_read, self.wake_fd = os.pipe2(_NONBLOCK | _CLOEXEC)
        self._inotify = -1
        libc = ctypes.CDLL(None, use_errno=True)
        if sys.platform == "linux":
            self._inotify = libc.inotify_init1(_NONBLOCK | _CLOEXEC)
        self._complete = self._inotify >= 0
        wanted = [(path, _COMES) for path in directories] + [(path, _GOES) for path in leaving]
        for path, events in wanted if self._inotify >= 0 else ():
            added = libc.inotify_add_watch(self._inotify, os.fsencode(path), events)
            self._complete &= added >= 0

    def wait(self, seconds: float) -> None:
        """Return when something came, when `wake_fd` was written to, or after so many seconds."""
        select.select(self._descriptors(), [], [], self._longest(seconds))
        self._forget()

    async def coming(self, seconds: float) -> None:
        """As `wait`, without stopping the loop."""
        loop, came = asyncio.get_running_loop(), asyncio.Event()
        for descriptor in self._descriptors():
            loop.add_reader(descriptor, came.set)
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(came.wait(), self._longest(seconds))
        finally:
            for descriptor in self._descriptors():
                loop.remove_reader(descriptor)
        self._forget()

    def close(self) -> None:
        """Stop to watch."""
        for descriptor in (self._inotify, self._wake_read, self.wake_fd):
            if descriptor >= 0:
                os.close(descriptor)

    def _descriptors(self) -> list[int]:
        return [self._wake_read, *([self._inotify] if self._inotify >= 0 else [])]

    def _longest(self, seconds: float) -> float:
        return max(seconds if self._complete else min(seconds, _POLL_S), 0.0)

    def _forget(self) -> None:
        for descriptor in self._descriptors():
            with suppress(BlockingIOError):
                os.read(descriptor, 65_536)
