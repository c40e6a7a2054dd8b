"""Batches: full, or old enough, or the last; and what becomes of one that fails."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from penstock.flow._channel import heed_cancellation
from penstock.flow._errors import FatalError, ResultCountError, failure_of
from penstock.flow._message import Message
from penstock.flow._work import Work

Call = Callable[[list[Any]], Awaitable[Any]]


class Batcher:
    """Collects batches for the workers of one stage, one batch at a time."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._size = work.stage.options.batch
        self._within = work.stage.options.within
        self._turn = asyncio.Lock()

    def collect_nowait(self) -> list[Message[Any]]:
        """A full batch, if there is one and nothing stands in its way."""
        work = self._work
        heed_cancellation()
        if len(work.intake.items) < self._size or work.ready or work.parked or work.order:
            return []
        return work.take_many_nowait(self._size)

    async def collect(self) -> list[Message[Any]]:
        """The next batch; an empty one when the stage is over."""
        if self._work.over:
            # Whoever holds the turn waits for what was in our hands.
            self._work.intake.wake_all()
        async with self._turn:
            while await self._work.wait_work():
                batch = self._work.take_many_nowait(self._size)
                if not batch:
                    # What was there follows messages at work, and waits for them.
                    continue
                if len(batch) < self._size and batch[0].attempt == 1:
                    await self._fill(batch)
                return batch
            return []

    async def _fill(self, batch: list[Message[Any]]) -> None:
        work, elapsed = self._work, asyncio.Event()
        timer = asyncio.create_task(self._ring(elapsed), name=f"{work.stage.name}/within")
        try:
            while len(batch) < self._size and not elapsed.is_set():
                if work.ready or work.intake.closed:
                    # What comes again goes alone; and nobody follows after the end.
                    batch += [] if work.ready else work.take_many_nowait(self._size - len(batch))
                    return
                batch += work.take_many_nowait(self._size - len(batch))
                if len(batch) < self._size:
                    await work.intake.wait_changed()
        finally:
            timer.cancel()

    async def _ring(self, elapsed: asyncio.Event) -> None:
        await self._work.clock.sleep(self._within)
        elapsed.set()
        self._work.intake.wake_all()


async def run_batch(work: Work, batcher: Batcher, call: Call) -> None:
    """A worker that hands batches to `call` until the stage is over."""
    time = work.clock.monotonic
    while batch := batcher.collect_nowait() or await batcher.collect():
        started, blocked = time(), work.meter.blocked
        await settle_batch(work, batch, call)
        spent = max(time() - started - work.meter.blocked + blocked, 0.0)
        work.meter.run.add(spent / len(batch), len(batch))


async def settle_batch(work: Work, batch: list[Message[Any]], call: Call) -> None:
    """Run one attempt; halve the batch while it fails, until the culprits stand alone."""
    try:
        results = await call([message.payload for message in batch])
        if work.stage.options.collective:
            results = list(results) if results is not None else []
        else:
            _check(work, batch, results)
    except FatalError:
        raise
    except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - the stage's boundary: it becomes an outcome
        await _halve(work, batch, call, failure_of(error, work.stage.name))
        return
    if work.stage.options.collective:
        await work.merge(batch, results)
    else:
        await work.finish_many(batch, results)


async def _halve(work: Work, batch: list[Message[Any]], call: Call, error: Exception) -> None:
    if len(batch) == 1:
        await work.fail(batch[0], error)
        return
    middle = len(batch) // 2
    await settle_batch(work, batch[:middle], call)
    await settle_batch(work, batch[middle:], call)


def _check(work: Work, batch: list[Message[Any]], results: Any) -> None:
    if work.out is None:
        return
    if not isinstance(results, (list, tuple)):
        raise ResultCountError(work.stage.name, len(batch), type(results).__name__)
    if len(results) != len(batch):
        raise ResultCountError(work.stage.name, len(batch), f"{len(results):,} results")
