"""Time-outs without a timer per message: one watchdog per stage looks at what its workers do."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

from penstock.base import Clock
from penstock.flow._errors import StageTimeoutError

T = TypeVar("T")


class Lane:
    """What one worker is doing: since when it is in an attempt, and whether it has been too long."""

    __slots__ = ("expired", "since", "task")

    def __init__(self) -> None:
        self.since: float | None = None
        self.expired = False
        self.task: asyncio.Task[None] | None = None

    def interrupt(self) -> None:
        """Cancel the call that the worker awaits."""
        if self.task is not None:
            self.task.cancel()


class Watchdog:
    """Calls `overdue` once for each attempt that lasts longer than `seconds`."""

    def __init__(self, clock: Clock, seconds: float, overdue: Callable[[Lane], None]) -> None:
        self._clock = clock
        self._seconds = seconds
        self._overdue = overdue
        self._busy: dict[Lane, None] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self, group: asyncio.TaskGroup) -> None:
        """Watch until stopped."""
        self._task = group.create_task(self._watch(), name="watchdog")

    def stop(self) -> None:
        """Stop watching."""
        if self._task is not None:
            self._task.cancel()

    def enter(self, lane: Lane) -> None:
        """An attempt begins."""
        lane.since, lane.expired = self._clock.monotonic(), False
        self._busy[lane] = None

    def leave(self, lane: Lane) -> None:
        """The attempt is over."""
        self._busy.pop(lane, None)

    @asynccontextmanager
    async def pause(self, lane: Lane) -> AsyncIterator[None]:
        """What is done meanwhile is not the attempt's, takes none of its time, and is not interrupted."""
        began = self._clock.monotonic()
        self.leave(lane)
        if lane.expired:
            # It went on in spite of its cancellation: it gets as much time again.
            await self._absorb(lane)
            lane.since = began
        try:
            yield
        finally:
            self._busy[lane] = None
            if lane.since is not None:
                lane.since += self._clock.monotonic() - began

    async def guard(self, lane: Lane, call: Awaitable[T], stage: str) -> T:
        """Await `call`; when it is too long, cancel it.

        A call that answers its cancellation by a result has succeeded.

        Raises:
            StageTimeoutError: It was too long.
        """
        self.enter(lane)
        try:
            result = await call
        except asyncio.CancelledError:
            if not lane.expired or lane.task is None or lane.task.uncancel():
                raise
            raise StageTimeoutError(stage, self._seconds) from None
        except Exception as error:
            if not lane.expired:
                raise
            await self._absorb(lane)
            raise StageTimeoutError(stage, self._seconds) from error
        finally:
            self.leave(lane)
        if lane.expired:
            await self._absorb(lane)
        return result

    async def _absorb(self, lane: Lane) -> None:
        # It ended in the very turn of the loop in which it was cancelled, or made something else of
        # its cancellation: either way the worker must not be taken for cancelled any more.
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(0)
        lane.expired = False
        if lane.task is not None and lane.task.uncancel():
            raise asyncio.CancelledError

    async def _watch(self) -> None:
        while True:
            now = self._clock.monotonic()
            for lane in [lane for lane in self._busy if not lane.expired]:
                if lane.since is not None and now - lane.since >= self._seconds:
                    lane.expired = True
                    self._overdue(lane)
            first = min(
                (lane.since for lane in self._busy if lane.since is not None and not lane.expired),
                default=now,
            )
            await self._clock.sleep(max(first + self._seconds - now, 0.001))
