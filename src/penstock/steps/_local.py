"""What the executors share whose jobs live and die with this process."""

import asyncio
import hashlib
import json
from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from msgspec import field

from penstock.base import Clock, PenstockError, SystemClock, Value
from penstock.process import (
    ExitKind,
    ExitStatus,
    ProcessSpec,
    ProcessStartError,
    end_marked,
    run_process,
)
from penstock.steps._logs import Logs, name_of
from penstock.workflow import Executor, errors, executor, record

_OBSERVE_S: Final = 2.0
_ENDED_KEPT: Final = 1_000
_ENDED_MORE: Final = 250
"""Jobs that are remembered of those that have ended; and how many more, until the oldest are let go."""

_JOB: Final = "PENSTOCK_JOB"
"""The variable by which processes of a job are known when the one that started them is gone."""

_TRY_AGAIN: Final = 75
"""The exit code by which a program asks to be tried again. Source: sysexits.h, EX_TEMPFAIL."""


class LocalPlace(Value):
    """Where steps run on this machine, and what they may see of it."""

    directory: Path
    """For logs and for the files of attempts."""

    cwd: Path
    """Where commands start, and where Python looks for modules first."""

    environ: Mapping[str, str] = field(default_factory=dict)
    """The environment that each step begins with: a `PATH`, say."""

    clock: Clock = field(default_factory=SystemClock)

    @property
    def logs(self) -> Logs:
        """What attempts printed."""
        return Logs(self.directory / "logs")

    def files(self, work: executor.Work) -> Path:
        """A directory for one attempt's own files; it is made."""
        folder = self.directory / "attempts" / work.run / name_of(work.ref)
        (folder / "artifacts").mkdir(parents=True, exist_ok=True)
        return folder

    def mark(self, name: str) -> str:
        """What the processes of a job have in their environment: its name, and where it belongs."""
        return f"{self.directory.resolve()}/{name}"

    def environment(self, work: executor.Work, own: Mapping[str, Any]) -> dict[str, str]:
        """Variables for one attempt: the place's, those that name the attempt, then the step's own.

        What is no text, as an expression may give it, is written as JSON.
        """
        return {
            **self.environ,
            "PENSTOCK_RUN": work.run,
            "PENSTOCK_STEP": work.ref.step,
            "PENSTOCK_ITEM": "" if work.ref.item == record.WHOLE else str(work.ref.item),
            "PENSTOCK_ATTEMPT": str(work.ref.number),
            "PENSTOCK_KEY": work.key,
            _JOB: self.mark(job_name(work.key)),
            **{name: v if isinstance(v, str) else json.dumps(v) for name, v in own.items()},
        }


@dataclass(eq=False)
class StepFailedError(PenstockError):
    """The work was done and failed; the class decides whether it is tried again."""

    error: errors.ErrorClass
    message: str

    def __str__(self) -> str:
        return self.message


@dataclass
class _Job:
    task: "asyncio.Task[Any]"
    work: executor.Work
    stopping: bool = False

    @property
    def taken_up_again(self) -> bool:
        """Whether a job of the same name need not be started."""
        if not self.task.done():
            return True
        return not self.task.cancelled() and self.task.exception() is None


class LocalExecutor(Executor):
    """Runs each job as a task of this process; subclasses say what the task does."""

    kind: str
    """The step type."""

    def __init__(self, place: LocalPlace) -> None:
        self._place = place
        self._jobs: OrderedDict[str, _Job] = OrderedDict()
        self._forget_at = _ENDED_KEPT + _ENDED_MORE

    @abstractmethod
    async def perform(self, work: executor.Work) -> Any:
        """Do the work and return its result, plain JSON; being cancelled ends all of it.

        Raises:
            StepFailedError: It failed.
        """
        ...

    async def artifacts(self, work: executor.Work) -> tuple[executor.Artifact, ...]:
        """What work that succeeded left; nothing, where its kind has no place for it."""
        return ()

    def handle(self, work: executor.Work) -> executor.JobHandle:
        return executor.JobHandle(self.kind, job_name(work.key))

    async def submit(self, work: executor.Work, handle: executor.JobHandle) -> None:
        known = self._jobs.get(handle.name)
        if known is not None and known.taken_up_again:
            return
        task = asyncio.create_task(self._do(work), name=f"steps/{self.kind}/{work.key}")
        self._jobs[handle.name] = _Job(task, work)
        self._forget_old()

    async def observe(self, handle: executor.JobHandle) -> executor.Observation:
        job = self._jobs.get(handle.name)
        if job is None:
            return executor.Observation(executor.JobState.ABSENT)
        await asyncio.sleep(0)  # work that is done at once needs no timer
        if not job.task.done():
            await self._wait(job.task)
        if not job.task.done():
            return executor.Observation(executor.JobState.RUNNING, beats=self._printed(job.work))
        return _ended(job.task)

    async def cancel(self, handle: executor.JobHandle) -> None:
        job = self._jobs.get(handle.name)
        if job is not None and not job.stopping:
            job.stopping = True
            job.task.cancel()

    async def reattach(self, handle: executor.JobHandle) -> bool:
        if handle.name in self._jobs:
            return True
        await end_marked(_JOB, self._place.mark(handle.name), clock=self._place.clock)
        return False

    async def run_logged(
        self, work: executor.Work, argv: tuple[str, ...], env: Mapping[str, str], memory: int | None
    ) -> None:
        """Run a program to its end, its output in the attempt's log.

        Raises:
            StepFailedError: It could not be started, or did not end with code 0.
        """
        log = self._place.logs.path(work.run, work.ref)
        spec = ProcessSpec(argv, dict(env), cwd=self._place.cwd, log_file=log, memory_bytes=memory)
        try:
            status = await run_process(spec, clock=self._place.clock)
        except ProcessStartError as error:
            raise StepFailedError(errors.ErrorClass.CONFIG, str(error)) from error
        if not status.ok:
            raise StepFailedError(_class_of(status), self._said(work, status))

    async def _do(self, work: executor.Work) -> tuple[Any, tuple[executor.Artifact, ...]]:
        result = await self.perform(work)
        return result, await self.artifacts(work)

    def _said(self, work: executor.Work, status: ExitStatus) -> str:
        line = self._place.logs.last_line(work.run, work.ref)
        return f"it {status}; its last line was: {line[:500]}" if line else f"it {status}"

    def _printed(self, work: executor.Work) -> int:
        try:
            return self._place.logs.path(work.run, work.ref).stat().st_size
        except FileNotFoundError:
            return 0

    async def _wait(self, task: "asyncio.Task[Any]") -> None:
        sleeper = asyncio.create_task(self._place.clock.sleep(_OBSERVE_S), name="steps/observe")
        try:
            await asyncio.wait({task, sleeper}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeper.cancel()

    def _forget_old(self) -> None:
        """Let the oldest go; looked for now and then, since to look through all takes its time."""
        if len(self._jobs) > self._forget_at:
            old = [name for name, job in self._jobs.items() if job.task.done()]
            for name in old[: len(self._jobs) - _ENDED_KEPT]:
                del self._jobs[name]
            self._forget_at = len(self._jobs) + _ENDED_MORE


def job_name(key: str) -> str:
    """The name of the job that does the work of an idempotency key."""
    return hashlib.sha256(key.encode()).hexdigest()[:32]


def _class_of(status: ExitStatus) -> errors.ErrorClass:
    again = status.kind is ExitKind.EXITED and status.code == _TRY_AGAIN
    return errors.ErrorClass.TRANSIENT if again else errors.ErrorClass.USER


def _ended(task: "asyncio.Task[Any]") -> executor.Observation:
    if task.cancelled():
        return executor.Observation(executor.JobState.STOPPED)
    error = task.exception()
    if error is None:
        return executor.Observation(executor.JobState.SUCCEEDED, *task.result())
    if isinstance(error, StepFailedError):
        failure = errors.Failure(error.error, error.message)
    else:
        failure = errors.Failure(errors.ErrorClass.USER, f"{type(error).__name__}: {error}")
    return executor.Observation(executor.JobState.FAILED, failure=failure)
