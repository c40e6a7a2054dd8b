"""Batches: full, or old enough, or the last; and what becomes of one that fails."""

import asyncio
import math
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from penstock.flow._context import given_batch
from penstock.flow._errors import FatalError, ResultCountError, failure_of
from penstock.flow._message import Message
from penstock.flow._pack import Pack, joined
from penstock.flow._pack_results import finish_pack
from penstock.flow._work import Work

Call = Callable[[Any], Awaitable[Any]]
Batch = Pack[Any] | list[Message[Any]]


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
        # What a call knows of its messages, and what belongs to all of them, needs the messages.
        simple = work.order is None and work.context is None and not options.collective
        if simple and not (self._bytes or work.stage.expands):
            work.intake.pack_size = self._size

    @property
    def room(self) -> int:
        """How many full batches the channel above could hold."""
        return self._work.intake.capacity // self._size

    @property
    def waiting(self) -> int:
        """How many full batches wait there."""
        return self._work.intake.count // self._size

    def collect_nowait(self) -> Batch | None:
        """A full batch, if there is one and nothing stands in its way."""
        work, intake, size = self._work, self._work.intake, self._size
        if self._bytes or work.order or work.ready or work.parked:
            return None
        if intake.packed >= size:
            return work.take_pack_nowait(size)
        return work.take_many_nowait(size) if len(intake.items) >= size else None

    async def collect(self) -> Batch | None:
        """The next batch; None when the stage is over."""
        if self._work.over:
            # Whoever holds the turn waits for what was in our hands.
            self._work.intake.wake_all()
        async with self._turn:
            while await self._work.wait_work():
                if (full := self.collect_nowait()) is not None:
                    return full
                filling = Filling(self._work, self._size, self._bytes)
                filling.take()
                if not filling.count:
                    # What was there follows messages at work, and waits for them.
                    continue
                if not filling.full and filling.patient:
                    await self._fill(filling)
                return filling.batch()
            return None

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
        self.count = 0
        self.fed_at = 0.0
        self.full = self.expired = False
        self._packs: list[Pack[Any]] = []
        self._messages: list[Message[Any]] = []
        self._work = work
        self._size = size
        self._room = most_bytes
        self._weighs = bool(most_bytes)

    @property
    def patient(self) -> bool:
        """Whether it waits for more; what comes again goes alone."""
        return not self._messages or self._messages[0].attempt == 1

    def batch(self) -> Batch:
        """What was taken."""
        return joined(self._packs) if self._packs else self._messages

    def take(self) -> None:
        """Take what waits, as far as it fits."""
        before = self.count
        if self._weighs:
            self._take_fitting()
        elif self._packed:
            self._packs.append(self._work.take_pack_nowait(self._size - before))
        else:
            self._messages += [one for pack in self._packs for one in pack.messages()]
            self._packs.clear()
            self._messages += self._work.take_many_nowait(self._size - before)
        self.count = len(self._messages) + sum(pack.count for pack in self._packs)
        if self.count > before:
            self.fed_at = self._work.clock.monotonic()
        self.full = self.full or self.count >= self._size

    @property
    def _packed(self) -> bool:
        """Whether what waits is a pack, and goes with what was taken before."""
        work = self._work
        ordinary = not (work.ready or work.parked or self._messages)
        return ordinary and bool(work.intake.packed)

    def _take_fitting(self) -> None:
        work, messages = self._work, self._messages
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
    meter, time, task = work.meter, work.clock.monotonic, asyncio.current_task()
    while True:
        if task is not None and task.cancelling():
            raise asyncio.CancelledError  # what it awaited has swallowed it
        batch = batcher.collect_nowait()
        if batch is None:
            batch = await batcher.collect()
            if batch is None:
                return
        if work.toll is not None:
            await work.toll.pay(len(batch))
        started, blocked = time(), meter.blocked
        if isinstance(batch, Pack):
            count = await _settle_pack(work, batch, call)
        else:
            count = await settle_batch(work, batch, call)
        spent = time() - started - meter.blocked + blocked
        meter.run.add(spent / count if spent > 0 else 0.0, count)


async def _settle_pack(work: Work, pack: Pack[Any], call: Call) -> int:
    """As `settle_batch`, of messages of which nobody knows more than the payload."""
    count = pack.count
    try:
        results = await call(pack.payloads.copy())
        if work.out is not None:
            _check(work, count, results)
    except FatalError:
        raise
    except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - the stage's boundary: it becomes an outcome
        await halve(work, pack, failure_of(error, work.stage.name), call)
        return count
    rest = finish_pack(work, pack, results)
    if rest is not None:
        await rest
    return count


async def settle_batch(work: Work, batch: list[Message[Any]], call: Call) -> int:
    """Run one attempt; halve the batch while it fails, until the culprits stand alone; returns its length."""
    try:
        results = checked(work, batch, await call(given_batch(work.context, batch)))
    except FatalError:
        raise
    except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - the stage's boundary: it becomes an outcome
        await halve(work, batch, failure_of(error, work.stage.name), call)
    else:
        await finish_batch(work, batch, results)
    return len(batch)


async def finish_batch(work: Work, batch: Batch, results: Any) -> None:
    """The attempt succeeded with results that were `checked`."""
    if isinstance(batch, Pack):
        rest = finish_pack(work, batch, results)
        if rest is not None:
            await rest
    elif work.stage.options.collective:
        await work.merge(batch, results)
    else:
        await work.finish_many(batch, results)


async def halve(work: Work, batch: Batch, error: Exception, call: Call) -> None:
    """The attempt failed: try each half; of one message alone the attempt is over."""
    if isinstance(batch, Pack):
        batch = batch.messages()
    if len(batch) == 1:
        await work.fail(batch[0], error)
        return
    middle = len(batch) // 2
    for half in (batch[:middle], batch[middle:]):
        await work.pay(len(half))
        await settle_batch(work, half, call)


def checked(work: Work, batch: Batch, results: Any) -> Any:
    """What the function made of a batch, as a list where that belongs to the batch as a whole.

    Raises:
        ResultCountError: It is not one result per message.
        Exception: What an iterator that the function returned raises.
    """
    if work.stage.options.collective:
        return list(results) if results is not None else []
    if work.out is not None:
        _check(work, len(batch), results)
    return results


def _check(work: Work, count: int, results: Any) -> None:
    if not isinstance(results, (list, tuple)):
        raise ResultCountError(work.stage.name, count, type(results).__name__)
    if len(results) != count:
        raise ResultCountError(work.stage.name, count, f"{len(results):,} results")
