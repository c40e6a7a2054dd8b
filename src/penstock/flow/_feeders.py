"""The tasks that feed workers outside the loop: they send ahead while that is quick, and settle what comes back."""

import asyncio
from collections import deque
from collections.abc import Sequence
from itertools import chain
from typing import Any

from penstock.flow._batch import Batcher
from penstock.flow._batch_feeder import BatchFeeder
from penstock.flow._chunk import Answer, Stride
from penstock.flow._context import given, given_each
from penstock.flow._errors import FatalError
from penstock.flow._executor import ANYONE, Executor, LostChunkError
from penstock.flow._message import Message
from penstock.flow._work import Work

_BRISK = 20e-6
"""Seconds per message below which many chunks are measured as one."""


async def feed(work: Work, executor: Executor, batcher: Batcher | None) -> None:
    """Take messages, have them worked on by `executor`, and settle them, until the stage is over."""
    try:
        if batcher is not None:
            await BatchFeeder(work, executor, batcher).run()
        elif work.stage.options.streaming:
            await _feed_streams(work, executor)
        else:
            await _feed_chunks(work, executor)
    finally:
        await executor.aclose()


async def _feed_chunks(work: Work, executor: Executor) -> None:
    options = work.stage.options
    most = 1 if options.timeout is not None else options.chunk
    stride = Stride(most, options.workers, work.intake.capacity)
    under_way: deque[list[Message[Any]]] = deque()
    while under_way or await work.wait_work():
        await executor.ready()
        if work.toll is None and options.timeout is None:
            _send_ahead(work, executor, stride, under_way)
        elif not under_way:
            await _send_one(work, executor, stride, under_way)
        if not under_way:
            continue
        try:
            answers = await executor.receive()
        except LostChunkError as lost:
            await _recover(work, under_way.popleft(), lost)
            while under_way:
                _offer_again(work, under_way.popleft())
            continue
        chunks = [under_way.popleft() for _ in answers]
        stride.learn(len(chunks[-1]), answers[-1].seconds)
        _measure(work, chunks, answers)
        await _settle_all(work, chunks, answers)


def _send_ahead(
    work: Work, executor: Executor, stride: Stride, under_way: deque[list[Message[Any]]]
) -> None:
    """Hand the worker what it may have before it, in one go."""
    waiting = work.intake.count + len(work.ready)
    limit = stride.more(len(under_way), waiting, executor.weight)
    messages = work.take_many_nowait(limit) if limit else []
    if messages:
        size = stride.size(waiting)
        executor.send(given_each(work.context, messages), size)
        under_way.extend(messages[at : at + size] for at in range(0, len(messages), size))


async def _send_one(
    work: Work, executor: Executor, stride: Stride, under_way: deque[list[Message[Any]]]
) -> None:
    """What waited behind another would not begin when its rate was waited for, nor when its time ran."""
    size = stride.size(work.intake.count)
    chunk = work.take_many_nowait(size if work.toll is None else work.toll.affordable(size))
    if chunk:
        await work.pay(len(chunk))
        executor.send(given_each(work.context, chunk), len(chunk))
        under_way.append(chunk)


def _offer_again(work: Work, chunk: list[Message[Any]]) -> None:
    for message in chunk:
        work.again(message, counted=False)


def _measure(work: Work, chunks: list[list[Message[Any]]], answers: list[Answer]) -> None:
    """Count the time of the messages: means of the chunks, and of many chunks where they take next to nothing."""
    run, seconds = work.meter.run, sum([answer.seconds for answer in answers])
    count = sum(map(len, chunks))
    if seconds < count * _BRISK:
        run.add(seconds / count, count)
    else:
        for chunk, answer in zip(chunks, answers, strict=True):
            run.add(answer.seconds / len(chunk), len(chunk))
    work.meter.computed += sum([answer.computed for answer in answers])


async def _settle_all(work: Work, chunks: list[list[Message[Any]]], answers: list[Answer]) -> None:
    if any(answer.failures or answer.expanded for answer in answers):
        for chunk, answer in zip(chunks, answers, strict=True):
            await _settle(work, chunk, answer)
    else:
        results = [answer.results for answer in answers]
        await work.finish_many(
            list(chain.from_iterable(chunks)), list(chain.from_iterable(results))
        )


async def _settle(work: Work, chunk: list[Message[Any]], answer: Answer) -> None:
    if answer.suspects * len(chunk) > 1:
        _offer_again(work, chunk)
        return
    if not answer.failures and not answer.expanded:
        await work.finish_many(chunk, answer.results)
        return
    for place, message in enumerate(chunk):
        error = answer.failures.get(place)
        if error is not None:
            await work.fail(message, error)
        elif answer.expanded:
            await work.expand(message, answer.results[place])
        else:
            await work.finish(message, answer.results[place])


async def _recover(work: Work, chunk: list[Message[Any]], lost: LostChunkError) -> None:
    """Only the message in hand is to blame; the others are worked on again, as the same attempt.

    Where it may have been any of them, each is worked on alone: of one alone is known whose fault it is.
    """
    work.meter.replaced += 1
    culprit = 0 if lost.culprit == ANYONE and len(chunk) == 1 else lost.culprit
    for place, message in enumerate(chunk):
        if place == culprit:
            await work.fail(message, lost.cause)
        else:
            work.again(message, counted=False)


async def _feed_streams(work: Work, executor: Executor) -> None:
    time = work.clock.monotonic
    while await work.wait_work():
        message = work.take_nowait()
        if message is None:
            continue
        leaf = work.ledger.open_leaf(message)
        await work.pay(1)
        started, blocked, emitted = time(), work.meter.blocked, 0
        try:
            await executor.begin(given(work.context, leaf))
            last = False
            while not last:
                outputs, last = await executor.more()
                emitted += await work.stream_on(leaf, outputs, emitted)
        except FatalError:
            raise
        except LostChunkError as lost:
            work.meter.replaced += 1
            await work.fail(leaf, lost.cause)
        except Exception as error:  # noqa: BLE001 - the stage's boundary: it becomes an outcome
            await work.fail(leaf, error)
        else:
            await work.end_stream(leaf, emitted)
        work.meter.run.add(max(time() - started - work.meter.blocked + blocked, 0.0))


def start_feeders(work: Work, executors: Sequence[Executor]) -> list[asyncio.Task[None]]:
    """One task per executor."""
    batcher = Batcher(work) if work.stage.options.batched else None
    return [
        work.group.create_task(feed(work, executor, batcher), name=f"{work.stage.name}/{number}")
        for number, executor in enumerate(executors)
    ]
