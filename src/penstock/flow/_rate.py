"""How many messages a stage, or all who share a limit, may begin per second."""

import asyncio
import re
import threading
from collections import deque

from msgspec import Struct, field

from penstock.base import Clock, SystemClock, parse_duration
from penstock.flow._statistics import Meter

_RATE = re.compile(r"(\d+(?:\.\d+)?)/(\d.*|ms|s|m|h|d)")
_SAVED = 0.1
_LEAST_WAIT = 1e-6


class _Waiter(Struct, eq=False):
    count: int
    loop: asyncio.AbstractEventLoop
    turn: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self) -> bool:
        """Tell it to look again, from whatever thread; False where its loop is gone."""
        try:
            self.loop.call_soon_threadsafe(self.turn.set)
        except RuntimeError:
            return False
        return True


class RateLimit:
    """A token bucket: never more than `rate` times the time, plus `burst`, in any span of time.

    Give one object to several stages, or to several flows of a process, and they share it: whoever
    asks waits behind those who asked before, and a stage asks for one call at a time, so that one with
    a hundred workers gets no more turns than one with a single worker. Safe to use from many threads
    and event loops; processes do not share it. Cancelling a waiter takes nothing from the others.

    >>> print(RateLimit("600/m"))
    600/m
    """

    def __init__(self, rate: str, *, burst: int | None = None) -> None:
        """Fill the bucket.

        Args:
            rate: Messages per time: `100/s`, `5/10s`, `1000/h`.
            burst: Most that can be saved up while nobody asks; default what a tenth of a second gives,
                at least 1. `burst=1` spaces calls evenly.

        Raises:
            ValueError: No rate, or a burst below 1.
        """
        match = _RATE.fullmatch(rate) if isinstance(rate, str) else None
        if match is None:
            raise ValueError(f"expected a rate such as 100/s, 5/10s or 1000/h, got {rate!r}")
        period = match[2] if match[2][0].isdigit() else f"1{match[2]}"
        count, seconds = float(match[1]), parse_duration(period).total_seconds()
        if not count or not seconds:
            raise ValueError(f"expected a rate above 0, over a time above 0, got {rate!r}")
        if burst is not None and burst < 1:
            raise ValueError(f"expected burst >= 1, got {burst}")
        self._text = rate
        self._per_second = count / seconds
        self._burst = max(int(self._per_second * _SAVED), 1) if burst is None else burst
        self._tokens = float(self._burst)
        self._filled_at = float("-inf")
        self._waiters: deque[_Waiter] = deque()
        # Entered again where the garbage collector, at work inside, closes a waiter of a loop that is gone.
        self._lock = threading.RLock()

    def __str__(self) -> str:
        return self._text

    async def acquire(self, count: int = 1, *, clock: Clock | None = None) -> None:
        """Return when `count` more may begin; what is more than `burst` is waited for in portions.

        Args:
            count: How many.
            clock: All who share the limit must go by the same time; default the machine's.
        """
        clock = clock or SystemClock()
        while count > 0:
            portion = min(count, self._burst)
            await self._wait(portion, clock)
            count -= portion

    def available(self, clock: Clock) -> int:
        """How many could begin at once now."""
        with self._lock:
            self._fill(clock.monotonic())
            return 0 if self._waiters else int(self._tokens)

    async def _wait(self, count: int, clock: Clock) -> None:
        waiter = _Waiter(count, asyncio.get_running_loop())
        with self._lock:
            self._waiters.append(waiter)
        try:
            while (seconds := self._advance(waiter, clock.monotonic())) != 0:
                if seconds is None:
                    await waiter.turn.wait()
                else:
                    await clock.sleep(seconds)
        except BaseException:
            self._leave(waiter)
            raise

    def _advance(self, waiter: _Waiter, now: float) -> float | None:
        """Seconds until the waiter should ask again, 0 where it has got its tokens; None: it is not its turn."""
        with self._lock:
            if self._waiters[0].loop.is_closed():
                # Closed without cancelling what waited on it.
                self._waiters = deque(one for one in self._waiters if not one.loop.is_closed())
                self._wake_first()
            if self._waiters[0] is not waiter:
                return None
            self._fill(now)
            missing = waiter.count - self._tokens
            if missing > 0:
                # Never so short that a clock could not tell the difference.
                return max(missing / self._per_second, _LEAST_WAIT)
            self._tokens -= waiter.count
            self._waiters.popleft()
            self._wake_first()
            return 0.0

    def _leave(self, waiter: _Waiter) -> None:
        with self._lock:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
                self._wake_first()

    def _wake_first(self) -> None:
        while self._waiters and not self._waiters[0].wake():
            self._waiters.popleft()

    def _fill(self, now: float) -> None:
        if now > self._filled_at:
            gained = (now - self._filled_at) * self._per_second
            self._tokens = min(float(self._burst), self._tokens + gained)
            self._filled_at = now


class Toll:
    """The rate of one stage in one run: its workers wait for it one after the other."""

    def __init__(self, limit: RateLimit, clock: Clock, meter: Meter) -> None:
        self._limit = limit
        self._clock = clock
        self._meter = meter
        self._turn = asyncio.Lock()

    def affordable(self, most: int) -> int:
        """How many messages may go together now: at least 1, which then waits for its turn."""
        return max(min(most, self._limit.available(self._clock)), 1)

    async def pay(self, count: int) -> None:
        """Return when `count` messages more may begin."""
        started = self._clock.monotonic()
        try:
            async with self._turn:
                await self._limit.acquire(count, clock=self._clock)
        finally:
            self._meter.limited += self._clock.monotonic() - started
