"""Workers in threads: chunks go in and come back, each crossing once."""

import asyncio
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from time import thread_time
from typing import Any

from penstock.flow._chunk import Answer, Task, listed, run_chunk
from penstock.flow._context import bound
from penstock.flow._errors import StageTimeoutError
from penstock.flow._executor import LostChunkError, start_feeders
from penstock.flow._work import Work

_SLICE = 64
Job = tuple[Callable[[], Any], "asyncio.Future[Any]"]


class WorkerThread:
    """One daemon thread that runs jobs one after the other."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._ended = False
        self.busy = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, job: Callable[[], Any]) -> "asyncio.Future[Any]":
        """Run `job` after what was submitted before."""
        future: asyncio.Future[Any] = self._loop.create_future()
        self._jobs.put((job, future))
        return future

    def end(self) -> None:
        """End after the job under way; nobody waits for it, and what was submitted after it is not begun."""
        self._ended = True
        self._jobs.put(None)

    def name_left(self) -> None:
        """Give it a name by which debuggers and dumps show that it was left behind."""
        self._thread.name += " (left behind)"

    def _run(self) -> None:
        while (work := self._jobs.get()) is not None and not self._ended:
            job, future = work
            result, failure = None, None
            self.busy = True
            try:
                result = job()
            except BaseException as error:  # noqa: BLE001 - carried over to the loop
                failure = error
            self.busy = False
            try:
                self._loop.call_soon_threadsafe(_answer, future, result, failure)
            except RuntimeError:
                return  # the loop was closed while the job hung: nobody waits for it any more


def _answer(future: "asyncio.Future[Any]", result: Any, failure: BaseException | None) -> None:
    if future.done():
        return
    if failure is None:
        future.set_result(result)
    else:
        future.set_exception(failure)


def _heard(late: "asyncio.Future[Any]") -> None:
    """Nobody else asks any more for an error that comes after the time-out."""
    if not late.cancelled():
        late.exception()


class ThreadExecutor:
    """A thread that is replaced when it hangs: it cannot be killed, so it is left behind."""

    def __init__(self, work: Work, number: int) -> None:
        self._work = work
        self._function: Callable[[Any], Any] = bound(work.context, work.stage.function)
        self._task = Task(work.stage.name, work.stage.expands, work.output_limit)
        self._name = f"{work.stage.name}/{number}"
        self._thread = WorkerThread(self._name)
        self._progress = [0]
        self._sent: deque[list[Any]] = deque(maxlen=2)
        self._generator: Iterator[Any] = iter(())

    async def ready(self) -> None:
        """A thread can always be given work."""

    def send(self, payloads: list[Any]) -> "asyncio.Future[Any]":
        def job() -> Answer:
            started, computed = time(), thread_time()
            answer = run_chunk(function, payloads, task, progress)
            answer.seconds, answer.computed = time() - started, thread_time() - computed
            return answer

        self._sent.append(payloads)
        self._progress = progress = [0]
        function, task, time = self._function, self._task, self._work.clock.monotonic
        return self._thread.submit(job)

    async def receive(self, sent: "asyncio.Future[Any]") -> Answer:
        answer: Answer = await self._within(sent)
        return answer

    async def whole(self, payloads: list[Any]) -> Any:
        function, task = self._function, self._task
        if task.expands:
            return await self._call(lambda: listed(function(payloads), task))
        return await self._call(lambda: function(payloads))

    async def begin(self, payload: Any) -> None:
        self._generator = iter(self._function(payload))

    async def more(self) -> tuple[list[Any], bool]:
        generator = self._generator
        outputs = await self._call(lambda: list(islice(generator, _SLICE)))
        return outputs, len(outputs) < _SLICE

    async def _call(self, job: Callable[[], Any]) -> Any:
        self._progress = [0]
        return await self._within(self._thread.submit(job))

    async def _within(self, future: "asyncio.Future[Any]") -> Any:
        seconds = self._work.stage.options.timeout
        if seconds is None:
            return await future
        timer = asyncio.ensure_future(self._work.clock.sleep(seconds))
        try:
            await asyncio.wait((future, timer), return_when=asyncio.FIRST_COMPLETED)
        finally:
            timer.cancel()
        if future.done():
            return future.result()
        future.add_done_callback(_heard)
        self._leave_behind()
        self._thread = WorkerThread(self._name)
        raise LostChunkError(self._progress[0], StageTimeoutError(self._work.stage.name, seconds))

    def _leave_behind(self) -> None:
        """The thread ends when its call returns, which nobody can hurry; it begins no other."""
        for payloads in self._sent:
            payloads.clear()
        if self._thread.busy:
            self._thread.name_left()
            self._work.meter.left.append(self._thread)
        self._thread.end()

    async def aclose(self) -> None:
        self._leave_behind()


class ThreadPool:
    """`workers` threads, each fed by a task on the loop."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self.workers = work.stage.options.workers

    def start(self) -> list[asyncio.Task[None]]:
        """Start the workers; the ends of their feeders are the end of the stage."""
        return start_feeders(
            self._work, [ThreadExecutor(self._work, number) for number in range(self.workers)]
        )

    def stop(self) -> None:
        """All workers have ended."""

    async def aclose(self) -> None:
        """Each feeder has ended its thread."""
