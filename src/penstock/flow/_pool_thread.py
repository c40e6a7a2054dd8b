"""Workers in threads: chunks go in and come back, each crossing once."""

import asyncio
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from time import thread_time
from typing import Any

from penstock.flow._chunk import Answer, Task, run_batch, run_chunk
from penstock.flow._context import bound
from penstock.flow._errors import StageTimeoutError
from penstock.flow._executor import LostChunkError
from penstock.flow._feeders import start_feeders
from penstock.flow._work import Work

_SLICE = 64
Outcome = tuple[Any, BaseException | None]


class WorkerThread:
    """One daemon thread that runs jobs one after the other."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._jobs: queue.SimpleQueue[Callable[[], Any] | None] = queue.SimpleQueue()
        self._outcomes: deque[Outcome] = deque()
        self._some = asyncio.Event()
        self._told = False
        self._ended = False
        self.busy = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, job: Callable[[], Any]) -> None:
        """Run `job` after what was submitted before."""
        self._jobs.put(job)

    async def outcomes(self) -> list[Outcome]:
        """What the oldest jobs returned or raised, of at least one."""
        while not self._outcomes:
            self._some.clear()
            await self._some.wait()
        # The thread may add to it meanwhile.
        return [self._outcomes.popleft() for _ in range(len(self._outcomes))]

    def end(self) -> None:
        """End after the job under way; nobody waits for it, and what was submitted after it is not begun."""
        self._ended = True
        self._jobs.put(None)

    def name_left(self) -> None:
        """Give it a name by which debuggers and dumps show that it was left behind."""
        self._thread.name += " (left behind)"

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None and not self._ended:
            result, failure = None, None
            self.busy = True
            try:
                result = job()
            except BaseException as error:  # noqa: BLE001 - carried over to the loop
                failure = error
            self.busy = False
            self._outcomes.append((result, failure))
            # Once is enough for all that is there when the loop looks.
            if not self._told:
                self._told = True
                try:
                    self._loop.call_soon_threadsafe(self._tell)
                except RuntimeError:
                    return  # the loop was closed while the job hung: nobody waits for it any more

    def _tell(self) -> None:
        # First: what is added from now on is told anew.
        self._told = False
        self._some.set()


class ThreadExecutor:
    """A thread that is replaced when it hangs: it cannot be killed, so it is left behind."""

    def __init__(self, work: Work, number: int) -> None:
        self._work = work
        self._function: Callable[[Any], Any] = bound(work.context, work.stage.function)
        self._task = Task(work.stage.name, work.stage.expands, work.output_limit)
        self._name = f"{work.stage.name}/{number}"
        self._thread = WorkerThread(self._name)
        self._progress = [0]
        self._sent: deque[list[Any]] = deque()
        self._generator: Iterator[Any] = iter(())

    @property
    def weight(self) -> int:
        return 0

    async def ready(self) -> None:
        """A thread can always be given work."""

    def send(self, payloads: list[Any], size: int) -> None:
        for at in range(0, len(payloads), size):
            chunk = payloads[at : at + size]
            self._sent.append(chunk)
            self._progress = progress = [0]
            self._thread.submit(partial(self._timed, run_chunk, chunk, self._task, progress))

    def send_batches(self, batches: list[Any]) -> None:
        for batch in batches:
            self._thread.submit(partial(self._timed, run_batch, batch, self._task))

    async def receive(self) -> list[Answer]:
        answers = []
        for answer, failure in await self._within():
            if failure is not None:
                raise failure
            answers.append(answer)
            if self._sent:
                self._sent.popleft()
        return answers

    async def whole(self, payloads: list[Any]) -> Any:
        self.send_batches([payloads])
        [answer] = await self.receive()
        if answer.failures:
            raise answer.failures[0]
        return answer.results[0]

    async def begin(self, payload: Any) -> None:
        self._generator = iter(self._function(payload))

    async def more(self) -> tuple[list[Any], bool]:
        generator = self._generator
        outputs = await self._call(lambda: list(islice(generator, _SLICE)))
        return outputs, len(outputs) < _SLICE

    def _timed(self, run: Callable[..., Answer], *given: Any) -> Answer:
        time = self._work.clock.monotonic
        started, computed = time(), thread_time()
        answer = run(self._function, *given)
        answer.seconds, answer.computed = time() - started, thread_time() - computed
        return answer

    async def _call(self, job: Callable[[], Any]) -> Any:
        self._progress = [0]
        self._thread.submit(job)
        [(result, failure)] = await self._within()
        if failure is not None:
            raise failure
        return result

    async def _within(self) -> list[Outcome]:
        seconds = self._work.stage.options.timeout
        if seconds is None:
            return await self._thread.outcomes()
        outcomes = asyncio.ensure_future(self._thread.outcomes())
        timer = asyncio.ensure_future(self._work.clock.sleep(seconds))
        try:
            await asyncio.wait((outcomes, timer), return_when=asyncio.FIRST_COMPLETED)
            if outcomes.done():
                return outcomes.result()
        finally:
            timer.cancel()
            outcomes.cancel()
        self._leave_behind()
        self._thread = WorkerThread(self._name)
        raise LostChunkError(self._progress[0], StageTimeoutError(self._work.stage.name, seconds))

    def _leave_behind(self) -> None:
        """The thread ends when its call returns, which nobody can hurry; it begins no other."""
        while self._sent:
            self._sent.popleft().clear()
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
