"""Leases are prolonged from a thread: a loop that is kept busy must not lose them."""

import asyncio
from datetime import timedelta
from threading import Event, Thread

from penstock.base import PenstockError
from penstock.engines._attempts import Attempts, Holding
from penstock.telemetry import get_logger
from penstock.workflow import store

_log = get_logger("engines")


class Renewer:
    """Prolongs what this process holds, three times within a lease, by the machine's own time.

    The thread only asks the store; a job whose lease is gone is stopped on the engine's loop.
    """

    def __init__(
        self, queue: store.WorkQueue, attempts: Attempts, *, lease: timedelta, worker: str
    ) -> None:
        self._queue = queue
        self._attempts = attempts
        self._lease = lease
        self._worker = worker

    async def run(self) -> None:
        """Renew until cancelled; nothing is renewed any more when this returns."""
        stopped = Event()
        thread = Thread(
            target=self._renew_until,
            args=(stopped, asyncio.get_running_loop()),
            name=f"engine/renew/{self._worker}",
            daemon=True,
        )
        thread.start()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()
            await asyncio.to_thread(thread.join)

    def _renew_until(self, stopped: Event, loop: asyncio.AbstractEventLoop) -> None:
        with asyncio.Runner() as runner:
            while not stopped.wait(self._lease.total_seconds() / 3):
                try:
                    runner.run(self._renew(loop))
                except (OSError, PenstockError) as error:
                    _log.warning("leases not renewed, will try again", error=str(error))

    async def _renew(self, loop: asyncio.AbstractEventLoop) -> None:
        held = [holding for holding in self._attempts.held if not holding.gone]
        if not held:
            return
        kept = await self._queue.renew([each.lease for each in held], lease=self._lease)
        names = {(lease.tenant, lease.run, lease.attempt.ref) for lease in kept}
        for holding in held:
            lease = holding.lease
            reported = self._attempts.find(lease) is None
            if not reported and (lease.tenant, lease.run, lease.attempt.ref) not in names:
                asyncio.run_coroutine_threadsafe(self._lost(holding), loop)

    async def _lost(self, holding: Holding) -> None:
        _log.warning("lease lost, stopping its job", run=holding.lease.run)
        await self._attempts.stop(holding, gone=True)
