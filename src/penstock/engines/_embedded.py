"""The engine that needs nothing but a store: this process is the worker."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from penstock.base import Clock, Failpoints, SystemClock
from penstock.engines._attempts import Attempts
from penstock.engines._config import EngineSettings
from penstock.engines._decider import Bells, Decider, EndBell
from penstock.engines._loops import Loops
from penstock.engines._payload import Payloads
from penstock.engines._values import Values
from penstock.workflow import (
    Engine,
    Executor,
    RunRecord,
    engine,
    event,
    expression,
    record,
    store,
)

_LOOK_S: Final = 0.2
"""Pause of who waits for a run that another process carries out."""

_KNOWN_LOOK_S: Final = 2.0
"""The same for a run of this process, whose end rings."""


class EmbeddedEngine(Engine):
    """Carries out runs in this process, on a store that other processes may share.

    Requests may be made without `working`: some process that works on the store fulfils them.
    """

    def __init__(
        self,
        stores: store.Stores,
        executors: Mapping[str, Executor],
        directory: Path,
        *,
        settings: EngineSettings | None = None,
        secrets: Mapping[str, str] | None = None,
        clock: Clock | None = None,
        failpoints: Failpoints | None = None,
    ) -> None:
        """Prepare an engine; nothing is started.

        Args:
            stores: Where runs are kept.
            executors: By step type.
            directory: For results that are too large for the store; shared like the store.
            settings: Its pace.
            secrets: By name, for `${{ secrets.name }}`.
            clock: Time for deciding and for waiting.
            failpoints: `engine.submit.before`, `engine.submit.after` and `engine.report.before`.
        """
        settings = settings or EngineSettings()
        self._stores = stores
        self._clock = clock or SystemClock()
        self._bells = Bells.of(self._clock)
        payloads = Payloads(directory / "results")
        values = Values(stores.runs, payloads, secrets or {})
        self._decider = Decider(stores.runs, values, self._bells, self._clock)
        self._attempts = Attempts(
            self._decider,
            values,
            payloads,
            executors,
            clock=self._clock,
            failpoints=failpoints or Failpoints(),
            lasting=settings.lease,
        )
        self._loops = Loops(
            uuid.uuid4().hex,
            stores.queue,
            self._decider,
            self._attempts,
            self._bells,
            settings=settings,
            clock=self._clock,
        )

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Carry out runs while the block lasts; at its end what is not done is handed back."""
        task = asyncio.create_task(self._loops.run(), name="engine")
        watched = asyncio.create_task(_fail_with(task, asyncio.current_task()), name="engine/watch")
        try:
            yield
        finally:
            watched.cancel()
            if not task.done():
                await self._loops.drain()
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def submit(self, request: engine.RunRequest) -> tuple[str, bool]:
        request.pipeline.require_runnable()
        run = engine.run_id(request.tenant, request.pipeline.name, request.run_key)
        initial = request.initial or RunRecord.new(run, request.pipeline.graph)
        initial = replace(initial, run=run)
        key = request.pipeline.definition.spec.concurrency.key
        lane = expression.render(key, {"params": request.params})
        stored = store.StoredRun(
            request.tenant,
            initial,
            request.pipeline,
            request.params,
            request.run_key,
            trigger=request.trigger,
            lane=str(lane),
        )
        return run, await self._decider.create(stored, event.Submitted())

    async def state(self, tenant: str, run: str) -> RunRecord:
        return (await self._stores.runs.load(tenant, run)).record

    async def pause(self, tenant: str, run: str) -> None:
        await self._decider.happened((tenant, run), event.PauseRequested())

    async def resume(self, tenant: str, run: str) -> None:
        await self._decider.happened((tenant, run), event.ResumeRequested())

    async def cancel(
        self, tenant: str, run: str, *, reason: str, compensate: bool = False, force: bool = False
    ) -> None:
        asked = (
            event.ForceRequested()
            if force
            else event.CancelRequested(reason, compensate=compensate)
        )
        await self._decider.happened((tenant, run), asked)

    async def wait(self, tenant: str, run: str) -> RunRecord:
        bell = EndBell(self._clock)
        waiting = self._bells.ends.setdefault((tenant, run), set())
        waiting.add(bell)
        try:
            state = self._decider.queued(tenant, run) or await self.state(tenant, run)
            while not _done(state):
                state = await self._heard(bell, tenant, run) or await self.state(tenant, run)
        finally:
            waiting.discard(bell)
            if not waiting:
                self._bells.ends.pop((tenant, run), None)
        return state

    async def _heard(self, bell: EndBell, tenant: str, run: str) -> RunRecord | None:
        """How a run of this process ended; None when it is time to look at what others have done."""
        for pause in (_LOOK_S, _KNOWN_LOOK_S - _LOOK_S):
            await bell.wait(pause)
            told = bell.heard()
            if told is not None or not self._decider.tells(tenant, run):
                return told
        return None


def _done(state: RunRecord) -> bool:
    return state.state.final and state.compensation is not record.Compensation.RUNNING


async def _fail_with(task: "asyncio.Task[None]", caller: "asyncio.Task[object] | None") -> None:
    """An engine that broke must not leave its caller waiting for a run that nobody carries out."""
    await asyncio.wait({task})
    if not task.cancelled() and task.exception() is not None and caller is not None:
        caller.cancel()
