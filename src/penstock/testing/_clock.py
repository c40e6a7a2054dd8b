"""A clock that stands still until a test moves it."""

import asyncio
import heapq
import itertools
from datetime import UTC, datetime, timedelta

from penstock.base import Clock

_TURNS = 32
"""Turns of the loop after which tasks that only wait for one another have come to rest."""


class FakeClock(Clock):
    """Time that moves only when told to, or, with `autojump`, when nothing else is left to do.

    Sleepers wake one by one in the order of their deadlines, those of one deadline in the order in
    which they lay down; between two of them every task runs until it waits again. Work in threads
    and other processes is not waited for. Serves one event loop at a time; not thread-safe.
    """

    def __init__(
        self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC), *, autojump: bool = False
    ) -> None:
        """Stop the clock at `start`.

        Args:
            start: What `now` says until the clock is moved; with its zone.
            autojump: Move to the next deadline by itself once all tasks wait.
        """
        self._start = start
        self._elapsed = 0.0
        self._autojump = autojump
        self._heap: list[tuple[float, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()
        self._watching: asyncio.AbstractEventLoop | None = None
        self._quiet_turns = 0

    @property
    def sleepers(self) -> int:
        """How many tasks wait in `sleep` now."""
        return sum(not future.done() for _, _, future in self._heap)

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._heap, (self._elapsed + seconds, next(self._numbers), future))
        if self._autojump:
            self._watch()
        await future

    async def advance(self, seconds: float) -> None:
        """Let `seconds` pass: wake all who are due on the way, in order, and let them settle."""
        target = self._elapsed + seconds
        await self.settle()
        while self._wake_next(target):
            await self.settle()
        self._elapsed = target

    async def settle(self) -> None:
        """Let every task run until it waits for time or for the outside world; no time passes."""
        for _ in range(_TURNS):
            await asyncio.sleep(0)

    def _wake_next(self, until: float) -> bool:
        while self._heap and self._heap[0][0] <= until:
            deadline, _, future = heapq.heappop(self._heap)
            if not future.done():
                self._elapsed = max(self._elapsed, deadline)
                future.set_result(None)
                return True
        return False

    def _watch(self) -> None:
        """Count the turns since somebody last lay down; the jump comes after enough of them."""
        self._quiet_turns = 0
        loop = asyncio.get_running_loop()
        if self._watching is not loop:
            self._watching = loop
            loop.call_soon(self._turn, loop)

    def _turn(self, loop: asyncio.AbstractEventLoop) -> None:
        self._quiet_turns += 1
        if self._quiet_turns >= _TURNS:
            self._quiet_turns = 0
            if not self._wake_next(float("inf")):
                self._watching = None
                return
        loop.call_soon(self._turn, loop)
