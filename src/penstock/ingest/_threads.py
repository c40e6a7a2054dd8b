"""Threads for what blocks, which no end of the program has to wait for."""

from collections.abc import Callable
from concurrent.futures import Executor, Future
from enum import Enum, auto
from functools import partial
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Lane(Enum):
    """Kinds of work that keep to threads of their own.

    Allocators keep what a thread frees for that same thread. Were both kinds done by any thread,
    each would end up holding as much as the hungrier kind needs.
    """

    FILES = auto()
    """Decoding, and writing what was decoded: as many threads as files are worked on at once."""

    OTHER = auto()


class DaemonThreads(Executor):
    """At most `count` threads, started when they are needed.

    The standard pool's threads are joined when the program ends, so that one upload that hangs
    would keep a second signal from ending it.
    """

    def __init__(self, count: int, name: str) -> None:
        """Start nothing yet."""
        self._count = count
        self._name = name
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._lock = Lock()
        self._started = 0
        self._open_jobs = 0

    def submit(self, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        with self._lock:
            self._open_jobs += 1
            start = self._started < min(self._count, self._open_jobs)
            self._started += start
            number = self._started
        self._jobs.put(_Job(future, partial(call, *args, **kwargs)))
        if start:
            Thread(target=self._work, name=f"{self._name}-{number}", daemon=True).start()
        return future

    def shutdown(self, wait: bool = False, *, cancel_futures: bool = True) -> None:  # noqa: FBT001, FBT002 - as the base has it
        """Let the threads end after what they have in hand, or at once where they have nothing."""
        del wait, cancel_futures
        for _ in range(self._started):
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job.run()
            with self._lock:
                self._open_jobs -= 1


class _Job:
    """One call, and the future that tells how it ended."""

    def __init__(self, future: Future[Any], call: Callable[[], Any]) -> None:
        self._future = future
        self._calls = [call]

    def run(self) -> None:
        """Call unless it was cancelled. When its end is told nothing here holds what the call held.

        Else the rows of a file would stay in memory until its thread has another one.
        """
        call = self._calls.pop()
        if not self._future.set_running_or_notify_cancel():
            return
        try:
            result = call()
        except BaseException as error:  # noqa: BLE001 - carried over to whoever waits
            tell: Callable[[], None] = partial(self._future.set_exception, error)
        else:
            tell = partial(self._future.set_result, result)
        del call
        tell()
