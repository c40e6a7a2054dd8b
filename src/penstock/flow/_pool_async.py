"""Workers on the event loop: the function is awaited in place, without a task per message."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from types import BuiltinFunctionType
from typing import Any

from penstock.flow._batch import Batcher, run_batch
from penstock.flow._context import bound, given
from penstock.flow._errors import TooManyOutputsError, failure_of
from penstock.flow._message import Drop, Message, size_of
from penstock.flow._watch import Lane, Watchdog
from penstock.flow._work import Work

_BURST = 16
_BRISK = 20e-6


class AsyncPool:
    """`workers` tasks that share one channel."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._options = work.stage.options
        self._function: Callable[[Any], Any] = bound(work.context, work.stage.function)
        self._watchdog: Watchdog | None = None
        self.workers = self._options.workers

    def start(self) -> list[asyncio.Task[None]]:
        """Start the workers; their ends are the end of the stage."""
        work, name = self._work, self._work.stage.name
        if self._options.timeout is not None:
            self._watchdog = Watchdog(
                work.clock, self._options.timeout, lambda lane: lane.interrupt()
            )
            self._watchdog.start(work.group)
        if self._options.batched:
            batcher = Batcher(work)
            direct = work.stage.is_async and self._watchdog is None
            call = self._function if direct else self._call_batch
            return [
                work.group.create_task(run_batch(work, batcher, call), name=f"{name}/{number}")
                for number in range(self.workers)
            ]
        plain = not (work.stage.expands or self._watchdog or work.toll or work.context)
        loop = self._work_plain if plain else self._work_special
        return [
            work.group.create_task(loop(), name=f"{name}/{number}")
            for number in range(self.workers)
        ]

    def stop(self) -> None:
        """All workers have ended."""
        if self._watchdog is not None:
            self._watchdog.stop()

    async def aclose(self) -> None:
        """Nothing is held besides tasks."""
        self.stop()

    async def _work_plain(self) -> None:
        """The hot path: one result per message, no time-out, no rate."""
        work, meter, function, out = self._work, self._work.meter, self._function, self._work.out
        take, time = work.take_nowait, work.clock.monotonic
        simple = out is not None and work.order is None
        awaits, asks = work.stage.is_async, not isinstance(function, BuiltinFunctionType)
        burst = 1
        while await work.wait_work():
            count, blocked, started = 0, meter.blocked, time()
            while count < burst and (message := take()) is not None:
                count += 1
                try:
                    result = function(message.payload)
                    if awaits or (asks and isinstance(result, Awaitable)):
                        result = await result
                except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - the stage's boundary
                    await work.fail(message, failure_of(error, work.stage.name))
                    continue
                if (
                    simple
                    and message.notes is None
                    and result is not None
                    and type(result) is not Drop
                ):
                    message.payload = result
                    message.size = size_of(result)
                    if out.put_nowait(message):  # type: ignore[union-attr] # simple says that it is there
                        meter.emitted += 1
                    else:
                        await work.hand_on([message])
                else:
                    await work.finish(message, result)
            if count:
                # Time spent waiting for room below is not work.
                each = max(time() - started - meter.blocked + blocked, 0.0) / count
                meter.run.add(each, count)
                burst = _BURST if each < _BRISK else 1

    async def _work_special(self) -> None:
        """Generators, time-outs, rates and contexts."""
        work, lane = self._work, Lane()
        lane.task = asyncio.current_task()
        while await work.wait_work():
            message = work.take_nowait()
            if message is None:
                continue
            await work.pay(1)
            started, blocked = work.clock.monotonic(), work.meter.blocked
            await self._attempt(message, lane)
            spent = work.clock.monotonic() - started - work.meter.blocked + blocked
            work.meter.run.add(max(spent, 0.0))

    async def _attempt(self, message: Message[Any], lane: Lane) -> None:
        work, expands = self._work, self._work.stage.expands
        current = work.ledger.open_leaf(message) if self._options.streaming else message
        try:
            if self._options.streaming:
                emitted = await self._within(lane, self._stream(current, lane))
            elif expands:
                results = await self._within(lane, self._collect(given(work.context, current)))
            else:
                result = await self._within(
                    lane, _resolved(self._function(given(work.context, current)))
                )
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - the stage's boundary: it becomes an outcome
            await work.fail(current, failure_of(error, work.stage.name))
            return
        if self._options.streaming:
            await work.end_stream(current, emitted)
        elif expands:
            await work.expand(current, results)
        else:
            await work.finish(current, result)

    async def _within(self, lane: Lane, call: Awaitable[Any]) -> Any:
        if self._watchdog is None:
            return await call
        return await self._watchdog.guard(lane, call, self._work.stage.name)

    async def _collect(self, payload: Any) -> list[Any]:
        results: list[Any] = []
        limit = self._work.output_limit
        if self._work.stage.is_async_generator:
            async with aclosing(self._function(payload)) as made:
                async for result in made:
                    results.append(result)
                    self._check(len(results), limit)
        else:
            for result in self._function(payload):
                results.append(result)
                self._check(len(results), limit)
        return results

    def _check(self, count: int, limit: int) -> None:
        if count > limit:
            raise TooManyOutputsError(self._work.stage.name, limit)

    async def _stream(self, message: Message[Any], lane: Lane) -> int:
        emitted = 0
        if self._work.stage.is_async_generator:
            async with aclosing(self._function(given(self._work.context, message))) as made:
                async for result in made:
                    emitted += await self._hand_on(message, result, emitted, lane)
        else:
            for result in self._function(given(self._work.context, message)):
                emitted += await self._hand_on(message, result, emitted, lane)
        return emitted

    async def _hand_on(self, message: Message[Any], result: Any, place: int, lane: Lane) -> int:
        if self._watchdog is None:
            return await self._work.stream_on(message, [result], place)
        # A time-out while it waits for room would lose what it hands on.
        async with self._watchdog.pause(lane):
            return await self._work.stream_on(message, [result], place)

    async def _call_batch(self, payloads: list[Any]) -> Any:
        call: Awaitable[Any]
        if self._work.stage.expands:
            call = self._collect(payloads)
        else:
            call = _resolved(self._function(payloads))
        if self._watchdog is None:
            return await call
        lane = Lane()
        lane.task = asyncio.current_task()
        return await self._watchdog.guard(lane, call, self._work.stage.name)


async def _resolved(result: Any) -> Any:
    return await result if isinstance(result, Awaitable) else result
