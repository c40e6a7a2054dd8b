"""Runs in a store, moved by hand: what the conformance suites of stores share."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any

from penstock.testing._clock import FakeClock
from penstock.workflow import (
    Pipeline,
    RunRecord,
    decide,
    errors,
    event,
    record,
    store,
)

LEASE = timedelta(seconds=30)
BROKEN = errors.Failure(errors.ErrorClass.TRANSIENT, "try again")


def ref(step: str, number: int = 1, *, item: int = record.WHOLE) -> record.AttemptRef:
    return record.AttemptRef(step, item, number)


class Bench:
    """Runs in a store, moved by hand."""

    def __init__(self, stores: store.Stores, clock: FakeClock) -> None:
        self.stores = stores
        self.clock = clock

    async def create(self, pipeline: Pipeline, run: str, tenant: str = "t") -> None:
        initial = RunRecord.new(run, pipeline.graph)
        decision = decide(initial, event.Submitted(), self.clock.now())
        stored = store.StoredRun(tenant, initial, pipeline, {"day": 1}, f"key-{run}")
        if not await self.stores.runs.create(stored, decision):
            raise AssertionError(f"run {run!r} was there already")

    async def send(
        self, run: str, happened: event.Event, *, tenant: str = "t", **options: Any
    ) -> store.StoredRun:
        stored = await self.stores.runs.load(tenant, run)
        decision = decide(stored.record, happened, self.clock.now())
        await self.stores.runs.apply(stored, happened, decision, **options)
        return await self.stores.runs.load(tenant, run)

    async def started(self, pipeline: Pipeline, *runs: str) -> None:
        for run in runs:
            await self.create(pipeline, run)
            await self.send(run, event.Admitted())

    async def claim(self, worker: str = "w", limit: int = 10) -> list[store.Lease]:
        return list(await self.stores.queue.claim(worker, limit=limit, lease=LEASE))

    async def do(self, lease: store.Lease, result: Any = None) -> None:
        for happened in (
            event.AttemptStarted(lease.attempt.ref),
            event.AttemptSucceeded(lease.attempt.ref),
        ):
            await self.send(lease.run, happened, tenant=lease.tenant, lease=lease, result=result)


def make_pipeline(*steps: str, name: str = "p", **spec: Any) -> Pipeline:
    written: dict[str, Any] = {step: {"shell": {"command": "true"}} for step in steps}
    return Pipeline.build(name, steps=spec.pop("steps", written), **spec)


class StoreSuite:
    """What a suite over stores needs: subclass it, and supply `open_stores`."""

    def open_stores(self, clock: FakeClock) -> AbstractAsyncContextManager[store.Stores]:
        """The same store each time within one test, empty at first, with the clock given."""
        raise NotImplementedError

    def check(self, scenario: Callable[[Bench], Awaitable[None]]) -> None:
        """Run a scenario on the store."""

        async def main() -> None:
            clock = FakeClock()
            async with self.open_stores(clock) as stores:
                await scenario(Bench(stores, clock))

        asyncio.run(main())


async def refused(doing: Awaitable[Any]) -> None:
    try:
        await doing
    except store.ConflictError:
        return
    raise AssertionError("expected a ConflictError")


async def absent(doing: Awaitable[Any]) -> None:
    try:
        await doing
    except LookupError:
        return
    raise AssertionError("expected a LookupError")
