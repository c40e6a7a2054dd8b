"""Those who wait for a channel, in threads and on event loops, one line for each thing waited for."""

import asyncio
import threading
from collections import deque
from typing import Protocol


class Turn(Protocol):
    """One who waits."""

    def wake(self) -> bool:
        """Let it go on; False: nobody is there any more."""
        ...


class LoopTurn(Turn):
    """A task that waits on its event loop; woken from any thread."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._future: asyncio.Future[None] = self._loop.create_future()

    def wake(self) -> bool:
        try:
            self._loop.call_soon_threadsafe(self._tell)
        except RuntimeError:
            return False  # its loop was closed
        return True

    def _tell(self) -> None:
        if not self._future.done():
            self._future.set_result(None)

    async def wait(self) -> None:
        """Return when woken."""
        await self._future


class ThreadTurn(Turn):
    """A thread that waits."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def wake(self) -> bool:
        self._event.set()
        return True

    def wait(self, seconds: float | None) -> bool:
        """Return when woken, and say so; False: not within so many seconds."""
        return self._event.wait(seconds)


class Line:
    """Who waits for one thing; whoever came first is woken first. Used under the lock of the channel."""

    def __init__(self) -> None:
        self._turns: deque[Turn] = deque()

    def join(self, turn: Turn, *, first: bool) -> None:
        """Wait here, before all others where it was woken and found nothing."""
        if first:
            self._turns.appendleft(turn)
        else:
            self._turns.append(turn)

    def leave(self, turn: Turn) -> bool:
        """Wait no more; False: it was woken already."""
        try:
            self._turns.remove(turn)
        except ValueError:
            return False
        return True

    def wake_one(self) -> None:
        """Wake the first who is still there."""
        while self._turns:
            if self._turns.popleft().wake():
                return

    def wake_all(self) -> None:
        """Wake everyone."""
        while self._turns:
            self._turns.popleft().wake()
