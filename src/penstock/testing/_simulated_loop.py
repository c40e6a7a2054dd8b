"""An event loop without time, files or threads: every choice it has is drawn from a seed."""

import asyncio
import gc
import heapq
import itertools
import random
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextlib import suppress
from contextvars import Context
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn, TypeVar, cast

from penstock.base import Clock, PenstockError

T = TypeVar("T")
_START = datetime(2026, 1, 1, tzinfo=UTC)
_TICK = 1e-6
# For the type checker nothing in particular: it asks for 35 methods that only real I/O needs.
_EventLoop: Any = asyncio.AbstractEventLoop


class StuckError(PenstockError):
    """Nothing can happen any more, or far too much has; the message names the tasks that wait."""


class CrashedError(PenstockError):
    """The process was killed, as far as what ran on the loop can tell: nothing was cleaned up."""


class _Task(asyncio.Task[Any]):
    """A task whose hash is its number: sets of tasks are walked in the same order in every process."""

    number = 0

    def __hash__(self) -> int:
        return self.number


class SimulatedLoop(_EventLoop):  # type: ignore[misc] # known to be none, as said above
    """Runs what asyncio runs, in virtual time: the same seed gives the same run, in any process.

    Of the callbacks that are ready one is drawn, so that tasks overtake one another as they never
    would on a quiet machine. When none is ready, the clock jumps to the next timer. Each callback
    takes a microsecond, so that a task that asks again and again does not stop time.
    Threads, processes, sockets and signals are refused: only `async` stages run here.

    >>> loop = SimulatedLoop(seed=7)
    >>> loop.run(asyncio.sleep(3600, "an hour later"))
    'an hour later'
    """

    def __init__(self, seed: int = 0, *, most_steps: int = 1_000_000) -> None:
        """Make a loop that has not begun.

        Args:
            seed: Decides the order of everything.
            most_steps: Callbacks after which a run is taken to go round in circles.
        """
        self.steps = 0
        self.after_step: Callable[[], object] = lambda: None
        """Called after each callback: the place for what must hold at every instant."""
        self.clock: Clock = _LoopClock(self)
        """For what is given a clock: `Flow(..., clock=loop.clock)`."""
        self.failures: list[str] = []
        """What was reported to the loop, such as an error that nobody looked at."""
        self._chance = random.Random(seed)  # noqa: S311 - it must be repeatable, not secret
        self._most_steps = most_steps
        self._now = 0.0
        self._ready: list[asyncio.Handle] = []
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._numbers = itertools.count(1)
        self._tasks: list[_Task] = []
        self._closed = False
        self._running = False

    def run(self, main: Coroutine[Any, Any, T], *, crash_after: int | None = None) -> T:
        """Run to the end of `main`; the loop can be used again.

        Args:
            main: What to run.
            crash_after: Callbacks after which everything is dropped where it stands.

        Raises:
            CrashedError: After `crash_after` callbacks; the loop is closed.
            StuckError: `main` waits for something that cannot come.
        """
        task = self.create_task(main)
        collects, hooks = gc.isenabled(), sys.get_asyncgen_hooks()
        # The collector closes generators at moments that depend on what ran before.
        gc.disable()
        sys.set_asyncgen_hooks(finalizer=self._finish_generator)
        asyncio._set_running_loop(self)  # noqa: SLF001 - documented for authors of loops
        self._running = True
        last = None if crash_after is None else self.steps + crash_after
        try:
            while not task.done():
                if self.steps == last:
                    raise CrashedError(f"crashed after {self.steps:,} callbacks")  # noqa: TRY301 - closed below
                self._step()
                self.after_step()
        except BaseException:
            self.close()
            raise
        finally:
            self._running = False
            asyncio._set_running_loop(None)  # noqa: SLF001 - as above
            sys.set_asyncgen_hooks(*hooks)
            if collects:
                gc.enable()
        return cast("T", task.result())

    @property
    def pending(self) -> list[str]:
        """Names of the tasks that have not ended."""
        return [task.get_name() for task in self._tasks if not task.done()]

    def draw(self) -> float:
        """A number from 0 to 1 of the loop's own randomness."""
        return self._chance.random()

    def close(self) -> None:
        """Drop all tasks where they stand, as a crash does; what they do about it reaches nobody."""
        self._closed = True
        self._ready.clear()
        self._timers.clear()
        for task in self._tasks:
            if not task.done():
                task._log_destroy_pending = False  # type: ignore[attr-defined] # noqa: SLF001 - as asyncio does
                _drop(task.get_coro())
        self._tasks.clear()

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._now

    def is_running(self) -> bool:
        """Whether it is inside `run`."""
        return self._running

    def is_closed(self) -> bool:
        """Whether everything was dropped."""
        return self._closed

    def get_debug(self) -> bool:
        """Never: the debug mode of asyncio looks at real time."""
        return False

    def create_future(self) -> asyncio.Future[Any]:
        """As asyncio asks for."""
        return asyncio.Future(loop=self)

    def create_task(
        self, coro: Any, *, name: str | None = None, context: Context | None = None, **more: Any
    ) -> asyncio.Task[Any]:
        """As asyncio asks for; a name is made where none is given."""
        number = next(self._numbers)
        # The loop keeps a task that nobody else does: none may vanish where it waits.
        task = _Task(coro, loop=self, name=name or f"task {number}", context=context, **more)
        task.number = number
        if len(self._tasks) >= 256:
            self._tasks = [one for one in self._tasks if not one.done()]
        self._tasks.append(task)
        if self._closed:
            _drop(coro)
        return task

    def call_soon(
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """As asyncio asks for, but which of those that are ready comes first is drawn."""
        handle = asyncio.Handle(callback, args, self, context)
        if not self._closed:
            self._ready.append(handle)
        return handle

    def call_later(
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """As asyncio asks for, in virtual time."""
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """As asyncio asks for, in virtual time."""
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        if not self._closed:
            heapq.heappush(self._timers, (when, next(self._numbers), handle))
        return handle

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Keep in `failures` what asyncio would log."""
        self.failures.append(f"{context.get('message')}: {context.get('exception')!r}")

    def call_soon_threadsafe(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse: a thread has a time of its own."""
        raise NotImplementedError(
            "a thread wants to speak to a simulated loop, whose time is not the thread's; "
            "simulate async stages only, and sources that are in memory"
        )

    def run_in_executor(self, *_: Any) -> NoReturn:
        """Refuse: a thread has a time of its own."""
        raise NotImplementedError(
            "threads and processes do not run in virtual time; give the stage pool='async', "
            "or run it on a real loop"
        )

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Asyncio tells of a timer that was cancelled; it is passed over when it is due."""

    def _finish_generator(self, generator: AsyncGenerator[Any, Any]) -> None:
        if not self._closed:
            self.create_task(generator.aclose(), name="close of a generator")

    def _step(self) -> None:
        self.steps += 1
        self._now += _TICK
        timers, ready = self._timers, self._ready
        if not ready:
            while timers and timers[0][2].cancelled():
                heapq.heappop(timers)
            if not timers or self.steps > self._most_steps:
                raise StuckError(self._how_stuck())
            self._now = max(self._now, timers[0][0])
        while timers and timers[0][0] <= self._now:
            ready.append(heapq.heappop(timers)[2])
        if self.steps > self._most_steps:
            raise StuckError(self._how_stuck())
        place = int(self._chance.random() * len(ready))
        ready[place], ready[-1] = ready[-1], ready[place]
        handle = ready.pop()
        if not handle.cancelled():
            handle._run()  # noqa: SLF001 - documented for authors of loops

    def _how_stuck(self) -> str:
        busy = self._ready or self.steps > self._most_steps
        why = "it goes round in circles" if busy else "nothing is left to do"
        waiting = [
            f"{task.get_name()} in {_where(task)}" for task in self._tasks if not task.done()
        ]
        return f"after {self.steps:,} callbacks {why}, and there wait: {'; '.join(waiting)}"


class _LoopClock(Clock):
    """The time of a simulated loop."""

    def __init__(self, loop: SimulatedLoop) -> None:
        self._loop = loop

    def monotonic(self) -> float:
        return float(self._loop.time())

    def now(self) -> datetime:
        return _START + timedelta(seconds=self.monotonic())

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(seconds, 0.0))


def _drop(coroutine: Any) -> None:
    """End a coroutine that will never run again, without a word."""
    with suppress(BaseException):
        coroutine.close()


def _where(task: asyncio.Task[Any]) -> str:
    """The innermost function in which a task waits."""
    inner: Any = task.get_coro()
    frame = None
    while isinstance(inner, (Coroutine, Generator)) or hasattr(inner, "cr_await"):
        frame = getattr(inner, "cr_frame", None) or getattr(inner, "gi_frame", None) or frame
        inner = getattr(inner, "cr_await", None) or getattr(inner, "gi_yieldfrom", None)
    return "?" if frame is None else f"{frame.f_code.co_qualname}:{frame.f_lineno}"
