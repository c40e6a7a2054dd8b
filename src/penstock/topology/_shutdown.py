"""The token that tells all work of one run to finish."""

import asyncio
from itertools import count
from weakref import WeakValueDictionary

from penstock.base import Clock


class Shutdown:
    """Requested once, seen by everybody who holds it; each run has its own.

    It asks for a drain: finish the work in hand, take no more. It never goes back. Belongs to one
    event loop; a signal handler that runs on the loop may request it.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._event = asyncio.Event()
        self._reason = ""
        self._numbers = count()
        self._children: WeakValueDictionary[int, Shutdown] = WeakValueDictionary()

    def child(self) -> "Shutdown":
        """A token for a part of the run: requested with this one, and alone without this one."""
        made = Shutdown(self._clock)
        self._children[next(self._numbers)] = made
        if self.requested:
            made.request(self._reason)
        return made

    @property
    def requested(self) -> bool:
        """Whether work should come to an end."""
        return self._event.is_set()

    @property
    def reason(self) -> str:
        """Who asked first: `SIGTERM`, for one; empty until then."""
        return self._reason

    def request(self, reason: str) -> None:
        """Ask for the drain. Later calls change nothing."""
        if not self._event.is_set():
            self._reason = reason
            self._event.set()
            for child in list(self._children.values()):
                child.request(reason)

    async def wait(self) -> None:
        """Return once it is requested."""
        await self._event.wait()

    async def pause(self, seconds: float) -> bool:
        """Sleep, but no longer than until the request; tell whether it has come.

        This is the sleep of polling loops: `while not await shutdown.pause(60): ...`.
        """
        if self.requested:
            return True
        sleeper = asyncio.create_task(self._clock.sleep(seconds), name="pause/clock")
        waiter = asyncio.create_task(self.wait(), name="pause/shutdown")
        try:
            await asyncio.wait({sleeper, waiter}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeper.cancel()
            waiter.cancel()
        return self.requested
