"""A flow in a thread of its own, for callers that cannot wait on a loop."""

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, TypeVar

from penstock.flow._report import FlowReport
from penstock.flow._run import RunningFlow
from penstock.flow._signals import SIGNALS, TwoSignals

T = TypeVar("T")
_HEARD_AFTER = 0.2
"""Seconds of one wait. A signal that comes while a wait begins is heard only when that wait ends."""


class FlowThread:
    """Runs a flow to its end beside the caller's thread; a daemon, so that no flow keeps a program from ending."""

    def __init__(self, start: Callable[[], RunningFlow]) -> None:
        """Make one that has not begun.

        Args:
            start: Called on the loop of the thread.
        """
        self._start = start
        self._ready = threading.Event()
        self._running: RunningFlow | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._early: list[Callable[[RunningFlow], object]] = []
        self.begun = False
        self._released = asyncio.Event()
        self._report: FlowReport | None = None
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="penstock flow", daemon=True)

    def start(self) -> None:
        """Return when the flow runs; what keeps it from that is raised."""
        self.begun = True
        self._thread.start()
        self._until_ready()
        if self._running is None:
            self.wait()

    def call_soon(self, function: Callable[[RunningFlow], object]) -> None:
        """Have the loop of the flow call a function with it; nothing, where the flow has ended."""
        loop, running = self._loop, self._running
        if loop is None or running is None:
            self._early.append(function)
            return
        try:
            loop.call_soon_threadsafe(function, running)
        except RuntimeError:
            return  # the loop is closed: the flow has ended

    def ask(self, question: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Wait for what the loop of the flow answers, which is there until `wait`.

        The question is put there: an interrupt here leaves no coroutine that nobody awaits.
        """
        assert self._loop is not None  # noqa: S101 - a thread that is ready has one
        answer: Future[T] = Future()
        self._loop.call_soon_threadsafe(lambda: asyncio.ensure_future(_answer(question, answer)))
        while True:
            try:
                return answer.result(_HEARD_AFTER)
            except TimeoutError:
                if answer.done():
                    return answer.result()

    def wait(self) -> FlowReport:
        """Return when the flow has ended, also after a `start` that was interrupted; it must have begun.

        Raises:
            FlowFailedError: It ended by a fatal error.
        """
        self._until_ready()
        self.call_soon(lambda _: self._released.set())
        while self._thread.is_alive():
            self._thread.join(_HEARD_AFTER)
        if self._failure is not None:
            raise self._failure
        assert self._report is not None  # noqa: S101 - there is one or the other
        return self._report

    def _until_ready(self) -> None:
        while not self._ready.wait(_HEARD_AFTER):
            pass
        early, self._early = self._early, []
        for function in early:
            self.call_soon(function)

    @contextmanager
    def signals(self, drain_timeout: float) -> Iterator[None]:
        """In the main thread: the first SIGINT or SIGTERM drains the flow, the second cancels it; also before its start.

        Handlers are set by `signal`, not by a loop: that which runs in this thread is held up by the caller.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        two = TwoSignals(
            lambda: self.call_soon(lambda running: running.begin_drain(drain_timeout)),
            lambda: self.call_soon(RunningFlow.begin_cancel),
        )
        before = {number: signal.getsignal(number) for number in SIGNALS}
        for number in SIGNALS:
            signal.signal(number, lambda *_: two.received())
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _run(self) -> None:
        try:
            self._report = asyncio.run(self._main())
        except BaseException as error:  # noqa: BLE001 - carried over to the caller
            self._failure = error
        finally:
            self._ready.set()

    async def _main(self) -> FlowReport:
        self._loop = asyncio.get_running_loop()
        async with self._start() as running:
            self._running = running
            self._ready.set()
            await self._released.wait()
            return await running.wait()


async def _answer(question: Callable[[], Coroutine[Any, Any, T]], answer: "Future[T]") -> None:
    try:
        answer.set_result(await question())
    except BaseException as error:  # noqa: BLE001 - carried over to whoever asked
        answer.set_exception(error)
