"""Between the protocol, which runs in a thread, and the flow, which runs on the loop."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor
from functools import partial
from typing import TypeVar
from uuid import uuid4

from penstock.ingest._errors import IngestError
from penstock.ingest._plan import Plan
from penstock.ingest._plan_flow import PlanFlow, Work
from penstock.ingest._producer import Produced, Producer
from penstock.ingest._threads import Lane
from penstock.telemetry import get_logger

T = TypeVar("T")
_log = get_logger("ingest")


class AbandonedError(IngestError):
    """The work of a plan was given up because the program ends; it is done again at the next start."""


class FlowProducer(Producer):
    """Runs the work of plans as flows on an event loop, one plan at a time."""

    def __init__(
        self, work: Work, loop: asyncio.AbstractEventLoop, threads: Mapping[Lane, Executor]
    ) -> None:
        """Do nothing yet.

        Args:
            work: What the pipeline is.
            loop: Where the flow runs; `produce` is called from a thread that is not the loop's.
            threads: For what blocks, by its kind.
        """
        self._work = work
        self._loop = loop
        self._threads = threads
        self._task: asyncio.Task[Produced] | None = None
        self._flow: PlanFlow | None = None
        self._seq = 0
        self._planned = 0
        self._abandoned = False

    def produce(self, plan: Plan) -> Produced:
        return asyncio.run_coroutine_threadsafe(self._until_abandoned(plan), self._loop).result()

    def abandon(self) -> None:
        """Give up the plan in hand and those that would follow. Called on the loop."""
        self._abandoned = True
        if self._task is not None:
            self._task.cancel()

    @property
    def in_hand(self) -> str:
        """How far the plan in hand is, for people; empty where there is none."""
        return (
            f"plan {self._seq}: {self._flow.files_done} of {self._planned} files"
            if self._flow
            else ""
        )

    @property
    def queues(self) -> str:
        """What waits in the plan in hand, for people."""
        return self._flow.queues if self._flow else ""

    async def _until_abandoned(self, plan: Plan) -> Produced:
        label = f"{plan.pipeline}/{plan.seq}"
        try:
            if not self._abandoned:
                self._task = asyncio.create_task(self._produce(plan), name=f"{label}/produce")
                return await self._task
        except asyncio.CancelledError:
            if not self._abandoned:
                raise
        finally:
            self._task = None
        raise AbandonedError(f"the work of plan {label} was given up; it is done at the next start")

    async def _produce(self, plan: Plan) -> Produced:
        directory = self._work.directory / f"{plan.seq}-{uuid4().hex}"
        await self._blocking(partial(directory.mkdir, parents=True))
        _log.info("working on a plan", pipeline=plan.pipeline, plan=plan.seq, files=len(plan.files))
        self._seq, self._planned = plan.seq, len(plan.files)
        self._flow = PlanFlow(self._work, plan, directory, self._blocking)
        try:
            return await self._flow.run()
        finally:
            self._flow = None
            # Not awaited in a thread: a cancelled task could not wait, and threads may still write.
            shutil.rmtree(directory, ignore_errors=True)

    def _blocking(self, call: Callable[[], T], lane: Lane = Lane.OTHER) -> Awaitable[T]:
        return self._loop.run_in_executor(self._threads[lane], call)
