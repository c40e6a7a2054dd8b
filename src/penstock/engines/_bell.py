"""Wakes a loop early; it would wake by itself later."""

import asyncio

from penstock.base import Clock


class Bell:
    """Rung when there may be something to do. A ring that nobody waited for is heard by the next."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rung = False
        self._listening: set[asyncio.Future[None]] = set()

    def ring(self) -> None:
        """Wake who waits."""
        self._rung = True
        for heard in self._listening:
            if not heard.done():
                heard.set_result(None)

    async def wait(self, seconds: float) -> None:
        """Return at a ring, or after `seconds`."""
        if not self._rung:
            heard = asyncio.get_running_loop().create_future()
            sleeper = asyncio.create_task(self._clock.sleep(seconds), name="engine/pause")
            self._listening.add(heard)
            try:
                await asyncio.wait({heard, sleeper}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                self._listening.discard(heard)
                heard.cancel()
                sleeper.cancel()
        self._rung = False
