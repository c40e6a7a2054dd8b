"""The task that feeds a worker outside the loop with batches: some ahead while they are quick."""

from collections import deque
from typing import Any

from penstock.flow._batch import Batch, Batcher, checked, finish_batch, halve
from penstock.flow._chunk import Answer, Stride
from penstock.flow._context import given_batch
from penstock.flow._errors import FatalError
from penstock.flow._executor import NOBODY, Executor, LostChunkError
from penstock.flow._work import Work


class BatchFeeder:
    """Sends batches, settles what comes back, and halves those that fail."""

    def __init__(self, work: Work, executor: Executor, batcher: Batcher) -> None:
        options = work.stage.options
        # What waited behind another would not begin when its rate was waited for, nor when its time ran.
        alone = options.timeout is not None or work.toll is not None
        self._work = work
        self._executor = executor
        self._batcher = batcher
        self._stride = Stride(1, options.workers, 0 if alone else batcher.room)
        self._under_way: deque[Batch] = deque()
        self._unbegun: deque[Batch] = deque()
        self._failed: deque[tuple[Batch, Exception]] = deque()

    async def run(self) -> None:
        """Until the stage is over."""
        while await self._send():
            await self._take()
            # A half is sent, and awaited, where nothing else is under way.
            while self._failed and not self._under_way:
                await halve(self._work, *self._failed.popleft(), self._call)

    async def _send(self) -> bool:
        """Hand the worker what it may have before it; False: the stage is over."""
        if self._failed:
            return True
        batches = [*self._unbegun] or self._collected()
        self._unbegun.clear()
        if not batches and not self._under_way:
            batch = await self._batcher.collect()
            if batch is None:
                return False
            batches = [batch]
        for batch in batches:
            await self._work.pay(len(batch))
        if batches:
            await self._executor.ready()
            context = self._work.context
            self._executor.send_batches([given_batch(context, batch) for batch in batches])
            self._under_way.extend(batches)
        return True

    def _collected(self) -> list[Batch]:
        batches: list[Batch] = []
        waiting, weight = self._batcher.waiting, self._executor.weight
        limit = self._stride.more(len(self._under_way), waiting, weight)
        while len(batches) < limit and (batch := self._batcher.collect_nowait()) is not None:
            batches.append(batch)
        return batches

    async def _take(self) -> None:
        try:
            answers = await self._executor.receive()
        except LostChunkError as lost:
            self._work.meter.replaced += 1
            batch = self._under_way.popleft()
            self._unbegun.extend(self._under_way)
            self._under_way.clear()
            if lost.culprit == NOBODY:
                self._unbegun.appendleft(batch)
            else:
                self._failed.append((batch, lost.cause))
            return
        for answer in answers:
            await self._settle(self._under_way.popleft(), answer)

    async def _settle(self, batch: Batch, answer: Answer) -> None:
        work = self._work
        self._stride.learn(1, answer.seconds)
        work.meter.run.add(answer.seconds / len(batch), len(batch))
        work.meter.computed += answer.computed
        error = answer.failures.get(0)
        if error is None:
            try:
                results = checked(work, batch, answer.results[0])
            except Exception as raised:  # noqa: BLE001 - the stage's boundary: it becomes an outcome
                error = raised
        if isinstance(error, FatalError):
            raise error
        if error is not None:
            self._failed.append((batch, error))
            return
        await finish_batch(work, batch, results)

    async def _call(self, payloads: list[Any]) -> Any:
        try:
            return await self._executor.whole(payloads)
        except LostChunkError as lost:
            self._work.meter.replaced += 1
            raise lost.cause from lost
