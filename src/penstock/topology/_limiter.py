"""A limit on work in progress that is shared, and fair between those who share it."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from itertools import islice

from msgspec import Struct, field

from penstock.base import Clock, Value


class ShareStatistics(Value):
    """What one pipeline has of a limiter."""

    held: int
    waiting: int
    granted: int
    """Permits handed out to it so far."""

    wait_seconds: float
    """Time that it has waited for permits in all."""


class LimiterStatistics(Value):
    """A limiter at one instant."""

    capacity: int | None
    in_use: int
    waiting: int
    peak_in_use: int
    shares: Mapping[str, ShareStatistics]


class _Share(Struct):
    held: int = 0
    granted: int = 0
    wait_seconds: float = 0.0
    served: int = 0
    """Number of the grant that it got last, over all shares."""

    waiters: deque[asyncio.Future[None]] = field(default_factory=deque)

    def first_waiter(self) -> list[asyncio.Future[None]]:
        """Whoever waits longest and still wants a permit; empty where nobody does."""
        return list(islice((turn for turn in self.waiters if not turn.done()), 1))


class Limiter:
    """At most `capacity` permits over all pipelines; no capacity, no limit.

    A free permit goes to the waiting pipeline that holds the fewest, among those to the one served
    longest ago, and within a pipeline to whoever came first: a backfill with a thousand waiting
    downloads cannot starve a live pipeline with one. A permit comes back however its work ended.
    Cancelling a waiter takes nothing from the others. Belongs to one event loop.
    """

    def __init__(self, capacity: int | None, *, clock: Clock) -> None:
        """Start with all permits free.

        Args:
            capacity: Permits in all, at least 1; `None` sets no limit and only counts.
            clock: For waiting times.

        Raises:
            ValueError: `capacity` is below 1.
        """
        if capacity is not None and capacity < 1:
            raise ValueError(f"expected a capacity of at least 1, or none, got {capacity}")
        self._capacity = capacity
        self._clock = clock
        self._shares: dict[str, _Share] = {}
        self._in_use = 0
        self._peak = 0
        self._grants = 0

    @asynccontextmanager
    async def hold(self, key: str) -> AsyncIterator[None]:
        """Hold one permit of the pipeline `key` while the block lasts; waits until one is free."""
        share = self._shares.setdefault(key, _Share())
        await self._acquire(share)
        try:
            yield
        finally:
            self._release(share)

    def statistics(self) -> LimiterStatistics:
        """A frozen picture of now."""
        shares = {
            key: ShareStatistics(share.held, len(share.waiters), share.granted, share.wait_seconds)
            for key, share in sorted(self._shares.items())
        }
        waiting = sum(share.waiting for share in shares.values())
        return LimiterStatistics(self._capacity, self._in_use, waiting, self._peak, shares)

    async def _acquire(self, share: _Share) -> None:
        if self._free():
            self._grant(share)
            return
        turn = asyncio.get_running_loop().create_future()
        share.waiters.append(turn)
        since = self._clock.monotonic()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                share.waiters.remove(turn)
            else:
                self._release(share)  # the permit came in the same turn of the loop
            raise
        finally:
            share.wait_seconds += self._clock.monotonic() - since

    def _release(self, share: _Share) -> None:
        share.held -= 1
        self._in_use -= 1
        while self._free():
            # A waiter that was cancelled in this turn of the loop is still in line, and takes itself out.
            waiting = [
                (other.held, other.served, number, other, turn)
                for number, other in enumerate(self._shares.values())
                for turn in other.first_waiter()
            ]
            if not waiting:
                return
            *_, following, turn = min(waiting, key=lambda one: one[:3])
            following.waiters.remove(turn)
            self._grant(following)
            turn.set_result(None)

    def _free(self) -> bool:
        return self._capacity is None or self._in_use < self._capacity

    def _grant(self, share: _Share) -> None:
        self._grants += 1
        share.held += 1
        share.granted += 1
        share.served = self._grants
        self._in_use += 1
        self._peak = max(self._peak, self._in_use)
