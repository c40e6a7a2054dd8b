"""The loops of an engine: each looks into the store when it is rung for, and now and then anyway."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta
from typing import Final

from penstock.base import Clock, PenstockError
from penstock.engines._attempts import Attempts, Holding
from penstock.engines._bell import Bell
from penstock.engines._config import EngineSettings
from penstock.engines._decider import Bells, Decider
from penstock.engines._renewer import Renewer
from penstock.telemetry import get_logger
from penstock.workflow import event, store

_log = get_logger("engines")
_PAGE: Final = 500
_QUESTION_AGE: Final = timedelta(seconds=5)


class Loops:
    """Claims, admits, fires timers, stops, renews, and takes up what others left.

    A fault of one run is told and left to the next look; it never keeps the loop from the others.
    """

    def __init__(
        self,
        worker: str,
        queue: store.WorkQueue,
        decider: Decider,
        attempts: Attempts,
        bells: Bells,
        *,
        settings: EngineSettings,
        clock: Clock,
    ) -> None:
        self._worker = worker
        self._queue = queue
        self._decider = decider
        self._attempts = attempts
        self._bells = bells
        self._settings = settings
        self._clock = clock
        self._tasks = asyncio.TaskGroup()
        self._renewer = Renewer(queue, attempts, lease=settings.lease, worker=worker)

    async def run(self) -> None:
        """Work until cancelled; what is in hand then is handed back."""
        poll = self._settings.poll.total_seconds()
        lease = self._settings.lease.total_seconds()
        async with self._tasks, asyncio.TaskGroup() as loops:
            for name, look, bell, pause in (
                ("claim", self._claim, self._bells.work, poll),
                ("admit", self._admit, self._bells.admission, poll),
                ("timers", self._fire, self._bells.timers, min(poll, 0.05)),
                ("stops", self._stop, self._bells.stops, self._settings.stop_poll.total_seconds()),
                ("expired", self._take_up, Bell(self._clock), min(poll, lease / 3)),
                ("questions", self._answer, Bell(self._clock), _QUESTION_AGE.total_seconds()),
            ):
                task = self._again(look, bell, pause)
                loops.create_task(task, name=f"engine/{name}")
            loops.create_task(self._renewer.run(), name="engine/renew")

    async def drain(self) -> None:
        """Stop what is in hand, and wait until it has been handed back."""
        self._attempts.draining = True
        while held := self._attempts.held:
            for holding in held:
                await self._hand_back(holding)
            await self._bells.work.wait(0.05)

    async def _hand_back(self, holding: Holding) -> None:
        """Stop its job; or leave that to whoever takes the lease over, which has run out by then."""
        if holding.gone:
            return
        if holding.job is not None and holding.job.doer.outlives:
            holding.gone = True
            await self._queue.renew([holding.lease], lease=timedelta(0))
            return
        await self._attempts.stop(holding)

    async def _again(self, look: Callable[[], Awaitable[bool]], bell: Bell, pause: float) -> None:
        while True:
            try:
                more = await look()
            except (OSError, PenstockError) as error:
                _log.warning("look failed, will look again", error=str(error))
                more = False
            if not more:
                await bell.wait(pause)

    async def _each(self, doing: Awaitable[object], run: str) -> bool:
        """Do one thing; whatever is wrong with this run must not keep us from the others."""
        try:
            await doing
        except store.ConflictError:
            return False
        except Exception as error:  # noqa: BLE001 - the boundary between one run and the next
            _log.warning("run left for later", run=run, error=repr(error))
            return False
        return True

    async def _all(self, doing: Iterable[tuple[Awaitable[object], str]]) -> bool:
        """Do many things side by side, so that they share commits; True if any was done."""
        return any(await asyncio.gather(*(self._each(each, run) for each, run in doing)))

    async def _claim(self) -> bool:
        room = self._settings.slots - self._attempts.count
        if room <= 0 or self._attempts.draining:
            self._attempts.crowded = True
            return False
        leases = await self._queue.claim(self._worker, limit=room, lease=self._settings.lease)
        self._attempts.crowded = len(leases) == room
        for lease in leases:
            self._start(self._attempts.carry_out(self._attempts.take(lease)), lease)
        return len(leases) == room

    def _start(self, doing: Awaitable[object], lease: store.Lease) -> None:
        ref = lease.attempt.ref

        async def carried() -> None:
            await self._each(doing, lease.run)
            self._bells.work.ring()

        self._tasks.create_task(carried(), name=f"{lease.run}/{ref.step}/{ref.number}")

    async def _admit(self) -> bool:
        found = await self._queue.admissible(limit=_PAGE)
        return await self._all(
            (self._decider.happened(place, event.Admitted()), place[1]) for place in found
        )

    async def _fire(self) -> bool:
        found = await self._queue.due(limit=_PAGE)
        return await self._all(
            (self._decider.happened((tenant, run), event.TimerFired(timer)), run)
            for tenant, run, timer in found
        )

    async def _stop(self) -> bool:
        for lease in await self._queue.stops(self._worker, limit=_PAGE):
            holding = self._attempts.find(lease)
            if holding is not None:
                await self._attempts.stop(holding)
            elif not lease.worker:
                stopped = event.AttemptStopped(lease.attempt.ref)
                await self._each(
                    self._decider.happened((lease.tenant, lease.run), stopped), lease.run
                )
        return False

    async def _take_up(self) -> bool:
        if self._attempts.draining:
            return False
        found = await self._queue.expired(limit=_PAGE)
        return await self._all((self._take_up_one(lease), lease.run) for lease in found)

    async def _take_up_one(self, lease: store.Lease) -> None:
        """Go on with a job that outlived its process; report any other as lost, or as stopped."""
        held = self._attempts.find(lease)
        if held is not None and held.lease.fence == lease.fence:
            await self._queue.renew([held.lease], lease=self._settings.lease)
            return
        taken = await self._queue.take_over(lease, self._worker, until=self._settings.lease)
        job = self._attempts.job_of(taken)
        if job is not None and await job.doer.reattach(job.handle):
            holding = self._attempts.take(taken)
            self._start(self._attempts.observe(holding, job), taken)
            return
        ref = taken.attempt.ref
        happened = event.AttemptStopped(ref) if taken.stopping else event.AttemptLost(ref)
        await self._decider.happened((taken.tenant, taken.run), happened, lease=taken)

    async def _answer(self) -> bool:
        asked = await self._queue.unresolved(older_than=_QUESTION_AGE, limit=_PAGE)
        for tenant, run, step in asked:
            await self._each(self._decider.resolve((tenant, run), step), run)
        return False
