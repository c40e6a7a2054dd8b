"""Batches: full, or old enough, or the last; and what becomes of one that fails."""

import asyncio
import math
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from penstock.flow._channel import heed_cancellation
from penstock.flow._context import given_batch
from penstock.flow._errors import FatalError, ResultCountError, failure_of
from penstock.flow._message import Message
from penstock.flow._work import Work

Call = Callable[[Any], Awaitable[Any]]


class Batcher:
    """Collects batches for the workers of one stage, one batch at a time."""

    def __init__(self, work: Work) -> None:
        options = work.stage.options
        self._work = work
        self._size = options.batch or sys.maxsize
        self._bytes = options.batch_bytes
        self._within = options.within
        self._idle = math.inf if options.idle is None else options.idle
        self._turn = asyncio.Lock()

    @property
    def room(self) -> int:
        """How many full batches the channel above could hold."""
        return self._work.intake.capacity // self._size

    @property
    def waiting(self) -> int:
        """How many full batches wait there."""
        return len(self._work.intake.items) // self._size

    def collect_nowait(self) -> list[Message[Any]]:
        """A full batch, if there is one and nothing stands in its way."""
        work = self._work
        heed_cancellation()
        if (
            len(work.intake.items) < self._size
            or self._bytes
            or work.ready
            or work.parked
            or work.order
        ):
            return []
        return work.take_many_nowait(self._size)

    async def collect(self) -> list[Message[Any]]:
        """The next batch; an empty one when the stage is over."""
        if self._work.over:
            # Whoever holds the turn waits for what was in our hands.
            self._work.intake.wake_all()
        async with self._turn:
            while await self._work.wait_work():
                filling = Filling(self._work, self._size, self._bytes)
                filling.take()
                if not filling.messages:
                    # What was there follows messages at work, and waits for them.
                    continue
                if not filling.full and filling.messages[0].attempt == 1:
                    await self._fill(filling)
                return filling.messages
            return []

    async def _fill(self, filling: "Filling") -> None:
        work = self._work
        timer = asyncio.create_task(self._ring(filling), name=f"{work.stage.name}/within")
        try:
            while not (filling.full or filling.expired):
                if work.ready:
                    return  # what comes again goes alone
                ended = work.intake.closed
                filling.take()
                if ended or work.held:
                    return  # nobody follows after the end, nor while nothing new may be taken
                if not filling.full:
                    await work.intake.wait_changed()
        finally:
            timer.cancel()

    async def _ring(self, filling: "Filling") -> None:
        clock = self._work.clock
        end = clock.monotonic() + self._within
        while (left := min(end, filling.fed_at + self._idle) - clock.monotonic()) > 0:
            await clock.sleep(left)
        filling.expired = True
        self._work.intake.wake_all()


class Filling:
    """A batch as it grows: up to `size` messages, and up to `most_bytes` where that is not 0."""

    def __init__(self, work: Work, size: int, most_bytes: int) -> None:
        self.messages: list[Message[Any]] = []
        self.fed_at = 0.0
        self.full = self.expired = False
        self._work = work
        self._size = size
        self._room = most_bytes
        self._weighs = bool(most_bytes)

    def take(self) -> None:
        """Take what waits, as far as it fits."""
        before = len(self.messages)
        if self._weighs:
            self._take_fitting()
        else:
            self.messages += self._work.take_many_nowait(self._size - before)
        if len(self.messages) > before:
            self.fed_at = self._work.clock.monotonic()
        self.full = self.full or len(self.messages) >= self._size

    def _take_fitting(self) -> None:
        work, messages = self._work, self.messages
        while len(messages) < self._size and not self.full and not (messages and work.ready):
            message = work.take_nowait()
            if message is None:
                return
            if messages and message.size > self._room:
                # Taken already, so it is the first of the next batch.
                work.ready.appendleft(message)
                self.full = True
                return
            messages.append(message)
            self._room -= message.size
            self.full = self._room <= 0 or message.attempt > 1


async def run_batch(work: Work, batcher: Batcher, call: Call) -> None:
    """A worker that hands batches to `call` until the stage is over."""
    time = work.clock.monotonic
    while batch := batcher.collect_nowait() or await batcher.collect():
        await work.pay(len(batch))
        started, blocked = time(), work.meter.blocked
        await settle_batch(work, batch, call)
        spent = max(time() - started - work.meter.blocked + blocked, 0.0)
        work.meter.run.add(spent / len(batch), len(batch))


async def settle_batch(work: Work, batch: list[Message[Any]], call: Call) -> None:
    """Run one attempt; halve the batch while it fails, until the culprits stand alone."""
    try:
        results = checked(work, batch, await call(given_batch(work.context, batch)))
    except FatalError:
        raise
    except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - the stage's boundary: it becomes an outcome
        await halve(work, batch, failure_of(error, work.stage.name), call)
        return
    await finish_batch(work, batch, results)


async def finish_batch(work: Work, batch: list[Message[Any]], results: Any) -> None:
    """The attempt succeeded with results that were `checked`."""
    if work.stage.options.collective:
        await work.merge(batch, results)
    else:
        await work.finish_many(batch, results)


async def halve(work: Work, batch: list[Message[Any]], error: Exception, call: Call) -> None:
    """The attempt failed: try each half; of one message alone the attempt is over."""
    if len(batch) == 1:
        await work.fail(batch[0], error)
        return
    middle = len(batch) // 2
    for half in (batch[:middle], batch[middle:]):
        await work.pay(len(half))
        await settle_batch(work, half, call)


def checked(work: Work, batch: list[Message[Any]], results: Any) -> Any:
    """What the function made of a batch, as a list where that belongs to the batch as a whole.

    Raises:
        ResultCountError: It is not one result per message.
        Exception: What an iterator that the function returned raises.
    """
    if work.stage.options.collective:
        return list(results) if results is not None else []
    _check(work, batch, results)
    return results


def _check(work: Work, batch: list[Message[Any]], results: Any) -> None:
    if work.out is None:
        return
    if not isinstance(results, (list, tuple)):
        raise ResultCountError(work.stage.name, len(batch), type(results).__name__)
    if len(results) != len(batch):
        raise ResultCountError(work.stage.name, len(batch), f"{len(results):,} results")
