"""Wakes a loop early; it would wake by itself later."""

import asyncio

from penstock.base import Clock


class Bell:
    """Rung when there may be something to do. A ring that nobody waited for is heard by the next."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Wake who waits."""
        self._rung.set()

    async def wait(self, seconds: float) -> None:
        """Return at a ring, or after `seconds`."""
        if not self._rung.is_set():
            heard = asyncio.create_task(self._rung.wait(), name="engine/bell")
            sleeper = asyncio.create_task(self._clock.sleep(seconds), name="engine/pause")
            try:
                await asyncio.wait({heard, sleeper}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                heard.cancel()
                sleeper.cancel()
        self._rung.clear()
