"""Workers in processes, under our own supervision: one that dies costs only what it had in hand."""

import asyncio
import pickle
import sys
from collections.abc import Callable
from functools import reduce
from typing import Any

from penstock.flow._chunk import Answer, Task
from penstock.flow._death import Coroner
from penstock.flow._errors import (
    FatalError,
    NotPicklableError,
    StageTimeoutError,
)
from penstock.flow._executor import ANYONE, NOBODY, LostChunkError
from penstock.flow._feeders import start_feeders
from penstock.flow._process import WorkerLostError, WorkerProcess, preparation
from penstock.flow._spare import Spare
from penstock.flow._stage import Stage
from penstock.flow._work import Work
from penstock.flow._worker_process import ANSWERING, Setup
from penstock.process import Frame

_FALSE_STARTS = 3


class ProcessExecutor:
    """A worker process, and the next one when that is gone."""

    def __init__(
        self, work: Work, setup: Setup, number: int, spare: Spare, coroner: Coroner
    ) -> None:
        self._stage = work.stage
        self._clock = work.clock
        self._spare = spare
        self._coroner = coroner
        self._name = f"{work.stage.name}/{number}"
        self._process = WorkerProcess(setup, self._name)
        self._sent = self._received = 0

    @property
    def weight(self) -> int:
        return max(self._sent, self._received)

    async def ready(self) -> None:
        if self._process.ready:
            return
        code = 0
        try:
            for _ in range(_FALSE_STARTS):
                try:
                    await self._process.started()
                except WorkerLostError as lost:
                    code = lost.code
                    await self._process.aclose()
                    self._process = self._spare.take()
                else:
                    return
        except FatalError:
            raise  # says by itself what is wrong
        except Exception as error:
            raise FatalError(
                f"a worker of stage {self._stage.name!r} could not load its function ({error!r}); "
                "define it at the top level of a module, in a script above its `__main__` guard; what is typed "
                "into an interpreter or a notebook cannot be found from another process: use pool='thread' there"
            ) from error
        raise FatalError(
            f"a worker of stage {self._stage.name!r} died {_FALSE_STARTS} times before it could start "
            f"({self._coroner.error(code).how}); look at what importing its module does"
        )

    def send(self, payloads: list[Any], size: int) -> None:
        requests = -(-len(payloads) // size)
        frame = self._frame("chunk", (size, payloads), requests)
        self._sent = frame.size // len(payloads)
        self._process.send(frame, requests)

    def send_batches(self, batches: list[Any]) -> None:
        frame = self._frame("batch", batches, len(batches))
        self._sent = frame.size // len(batches)
        self._process.send(frame, len(batches))

    async def receive(self) -> list[Answer]:
        answers = [_answer_of(*answer) for answer in await self._answers()]
        self._received = self._process.answer_size // len(answers[-1].results)
        return answers

    async def whole(self, payloads: list[Any]) -> Any:
        await self.ready()
        self.send_batches([payloads])
        [answer] = await self.receive()
        if answer.failures:
            raise answer.failures[0]
        return answer.results[0]

    async def begin(self, payload: Any) -> None:
        await self._call("begin", payload)

    async def more(self) -> tuple[list[Any], bool]:
        outputs, last = await self._call("more", None)
        return outputs, last

    async def aclose(self) -> None:
        await self._process.aclose()

    async def _call(self, kind: str, content: Any) -> Any:
        await self.ready()
        self._process.send(self._frame(kind, content))
        [(word, content)] = await self._answers()
        if word == "done":
            return content
        raise content[0] if word == "unread" else content

    async def _answers(self) -> list[Any]:
        expired = False

        def overdue() -> None:
            nonlocal expired
            expired = True
            self._process.kill()

        timer = self._timer(overdue)
        try:
            return await self._process.receive()
        except ConnectionError as lost:
            raise await self._replace(expired=expired) from lost
        finally:
            if timer is not None:
                timer.cancel()

    def _timer(self, overdue: Callable[[], None]) -> "asyncio.Task[None] | None":
        seconds = self._stage.options.timeout
        if seconds is None:
            return None

        async def watch() -> None:
            await self._clock.sleep(seconds)
            overdue()

        return asyncio.create_task(watch(), name=f"{self._name}/timeout")

    async def _replace(self, *, expired: bool) -> LostChunkError:
        code, culprit = await self._process.death(), self._process.in_hand
        await self._process.aclose()
        self._process = self._spare.take()
        cause: Exception = self._coroner.error(code)
        if expired:
            cause = StageTimeoutError(self._stage.name, self._stage.options.timeout or 0.0)
        if culprit == ANSWERING:
            culprit = ANYONE
        return LostChunkError(NOBODY if culprit is None else culprit, cause)

    def _frame(self, kind: str, content: Any, requests: int = 1) -> Frame:
        try:
            return Frame((kind, content), self._process.segments, requests)
        except Exception as error:
            raise NotPicklableError(
                self._stage.name, _culprit(content), f"{type(error).__name__}: {error}"
            ) from error


class ProcessPool:
    """`workers` processes and a spare, each of the first fed by a task on the loop."""

    def __init__(self, work: Work) -> None:
        """Refuse at once, before a source is asked, in a process that may have no workers."""
        self._work = work
        self._preparation = preparation(work.stage.name)
        self._spare: Spare | None = None
        self.workers = work.stage.options.workers

    def start(self) -> list[asyncio.Task[None]]:
        """Start the workers; the ends of their feeders are the end of the stage."""
        work = self._work
        setup = Setup(
            self._preparation,
            reference(work.stage),
            Task(work.stage.name, work.stage.expands, work.output_limit),
            work.stage.options.memory,
            work.context,
        )
        spare = self._spare = Spare(work, setup)
        coroner = Coroner(work.stage.name, work.stage.options.memory)
        executors = [
            ProcessExecutor(work, setup, number, spare, coroner) for number in range(self.workers)
        ]
        spare.start()
        return start_feeders(work, executors)

    def stop(self) -> None:
        """All workers have ended."""
        if self._spare is not None:
            self._spare.stop()

    async def aclose(self) -> None:
        """Each feeder has ended its process; end the spare."""
        if self._spare is not None:
            await self._spare.aclose()


def reference(stage: Stage[..., Any]) -> bytes | tuple[str, str]:
    """How another process finds the function: by name, or else as a pickle.

    By name also where the name stands for the stage that was made of it, as below a decorator.

    Raises:
        NotPicklableError: Neither is possible.
    """
    function = stage.function
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    if module in sys.modules and isinstance(name, str) and "<" not in name:
        try:
            found: Any = reduce(getattr, name.split("."), sys.modules[module])
        except AttributeError:
            found = None
        if found is function or (isinstance(found, Stage) and found.function is function):
            return module, name
    try:
        return pickle.dumps(function)
    except Exception as error:
        what = f"its function {name or function!r}"
        raise NotPicklableError(stage.name, what, f"{type(error).__name__}: {error}") from error


def _answer_of(word: str, content: Any) -> Answer:
    if word == "done":
        return Answer(*content)
    if word == "unread":
        error, requests = content
        return Answer([None], {0: error}, suspects=requests)
    raise content


def _culprit(content: Any) -> str:
    if isinstance(content, tuple):
        _, content = content
    payloads = content if isinstance(content, list) else [content]
    for payload in payloads:
        try:
            pickle.dumps(payload)
        except Exception:  # noqa: BLE001 - as above
            return f"the payload {repr(payload)[:200]} of type {type(payload).__qualname__}"
    return "a payload"
