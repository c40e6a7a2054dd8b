"""The last stage where the sink is an object: write, flush, commit, and only then settle."""

import asyncio
from typing import Any

from penstock.flow._errors import failure_of
from penstock.flow._message import Message
from penstock.flow._sink import ProgressSink, Sink
from penstock.flow._work import Work


class SinkPool:
    """One task that writes what waits, and commits when nothing more does."""

    def __init__(self, work: Work, sink: Sink[Any]) -> None:
        self._work = work
        self._sink = sink
        self._written: list[Message[Any]] = []
        self.workers = 1

    def start(self) -> list[asyncio.Task[None]]:
        """Start writing."""
        return [self._work.group.create_task(self._write(), name=f"{self._work.stage.name}/sink")]

    def stop(self) -> None:
        """The writer has ended."""

    async def aclose(self) -> None:
        """Close the sink."""
        await self._sink.aclose()

    async def _write(self) -> None:
        work, capacity = self._work, self._work.intake.capacity
        time = work.clock.monotonic
        while await self._more():
            toll = work.toll
            messages = work.take_many_nowait(
                capacity if toll is None else toll.affordable(capacity)
            )
            if not messages:
                continue
            await work.pay(len(messages))
            started = time()
            await self._attempt(messages)
            work.meter.run.add((time() - started) / len(messages), len(messages))
            if len(self._written) >= capacity:
                await self._commit()

    async def _more(self) -> bool:
        """Wait for work; before waiting, commit what is written."""
        if self._written and not self._work.intake.count and not self._work.ready:
            await self._commit()
        return await self._work.wait_work()

    async def _attempt(self, messages: list[Message[Any]]) -> None:
        """Write; halve what fails until the culprits stand alone."""
        try:
            await self._sink.write(messages)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - the stage's boundary: it becomes an outcome
            await self._halve(messages, failure_of(error, self._work.stage.name))
            return
        self._written += messages

    async def _halve(self, messages: list[Message[Any]], error: Exception) -> None:
        if len(messages) == 1:
            await self._work.fail(messages[0], error)
            return
        middle = len(messages) // 2
        for half in (messages[:middle], messages[middle:]):
            await self._work.pay(len(half))
            await self._attempt(half)

    async def _commit(self) -> None:
        """A commit that fails is the sink's failure, not that of a message: it ends the flow."""
        await self._sink.flush()
        if isinstance(self._sink, ProgressSink):
            progress = await self._work.ledger.progress_with(self._written)
            if progress is not None:
                await self._sink.keep_progress(progress)
        await self._sink.commit()
        written, self._written = self._written, []
        self._work.deliver(written)
