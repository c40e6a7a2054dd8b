"""One worker process more than a stage needs, started and idle, which takes over when one dies."""

import asyncio

from penstock.flow._process import WorkerProcess
from penstock.flow._work import Work
from penstock.flow._worker_process import Setup

_AFTER = 1.0
"""Seconds; a stage that is over sooner does not pay for a process that nobody needs."""


class Spare:
    """The spare worker of one stage. It costs the memory of an interpreter with the stage's modules."""

    def __init__(self, work: Work, setup: Setup) -> None:
        self._work = work
        self._setup = setup
        self._name = f"{work.stage.name}/spare"
        self._process: WorkerProcess | None = None
        self._dead: list[WorkerProcess] = []
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Have a spare in a while, once the workers themselves are likely to have started."""
        self._task = self._work.group.create_task(self._prepare(_AFTER), name=self._name)

    def take(self) -> WorkerProcess:
        """A worker process: the spare, where there is one, and the next spare is begun; else a new one."""
        process, self._process = self._process, None
        if process is None:
            return WorkerProcess(self._setup, self._name)
        self._task = self._work.group.create_task(self._prepare(0.0), name=self._name)
        if process.alive:
            return process
        self._dead.append(process)
        return WorkerProcess(self._setup, self._name)

    def stop(self) -> None:
        """No worker will die any more."""
        if self._task is not None:
            self._task.cancel()

    async def aclose(self) -> None:
        """End the spare."""
        if self._process is not None:
            self._process.kill()
            self._dead.append(self._process)
            self._process = None
        while self._dead:
            await self._dead.pop().aclose()

    async def _prepare(self, after: float) -> None:
        if after:
            await self._work.clock.sleep(after)
        self._process = process = WorkerProcess(self._setup, self._name)
        try:
            await process.started()
        except Exception:  # noqa: BLE001 - one that cannot start is no help; the workers themselves say why
            if self._process is process:
                await self.aclose()
