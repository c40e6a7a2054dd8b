"""Workers outside the loop: the port that threads and processes share, and the tasks that feed them."""

import asyncio
from collections import deque
from typing import Any, Protocol

from penstock.flow._batch import Batcher, settle_batch
from penstock.flow._chunk import Answer, Stride
from penstock.flow._context import given, given_each
from penstock.flow._errors import FatalError, FlowError
from penstock.flow._message import Message
from penstock.flow._work import Work

NOBODY, ANYONE = -1, -2
"""In the place of a culprit: the worker had begun nothing; or all was done, and the answer was not sent."""


class LostChunkError(FlowError):
    """The worker was lost; `culprit` is the place of the message it had in hand, `cause` what happened."""

    def __init__(self, culprit: int, cause: Exception) -> None:
        super().__init__(str(cause))
        self.culprit = culprit
        self.cause = cause


class Executor(Protocol):
    """One worker outside the loop; after `LostChunkError` it is whole again.

    Chunks may be sent while others are under way, where the stage has no time-out; they are
    answered in their order. Other calls are made one at a time.
    """

    async def ready(self) -> None:
        """Return when chunks can be sent."""
        ...

    def send(self, payloads: list[Any]) -> "asyncio.Future[Any]":
        """Have the function called for each payload; `receive` gives the answer."""
        ...

    async def receive(self, sent: "asyncio.Future[Any]") -> Answer:
        """The answer to the oldest chunk that was sent.

        Raises:
            LostChunkError: The worker died, hung or was killed, and has begun no later chunk.
        """
        ...

    async def whole(self, payloads: list[Any]) -> Any:
        """Call the function once, with the list.

        Raises:
            LostChunkError: As above.
            Exception: What the function raised.
        """
        ...

    async def begin(self, payload: Any) -> None:
        """Start a generator whose outputs are fetched with `more`."""
        ...

    async def more(self) -> tuple[list[Any], bool]:
        """Some outputs of the generator, and whether they are the last."""
        ...

    async def aclose(self) -> None:
        """End the worker."""
        ...


async def feed(work: Work, executor: Executor, batcher: Batcher | None) -> None:
    """Take messages, have them worked on by `executor`, and settle them, until the stage is over."""
    try:
        if batcher is not None:
            await _feed_batches(work, executor, batcher)
        elif work.stage.options.streaming:
            await _feed_streams(work, executor)
        else:
            await _feed_chunks(work, executor)
    finally:
        await executor.aclose()


async def _feed_chunks(work: Work, executor: Executor) -> None:
    options, items, toll = work.stage.options, work.intake.items, work.toll
    stride = Stride(1 if options.timeout is not None else options.chunk, options.workers)
    under_way: deque[tuple[list[Message[Any]], asyncio.Future[Any]]] = deque()
    while under_way or await work.wait_work():
        await executor.ready()
        # A chunk that waited behind another would not begin when its rate was waited for.
        while len(under_way) < (stride.ahead if toll is None else 1):
            size = stride.size(len(items))
            chunk = work.take_many_nowait(size if toll is None else toll.affordable(size))
            if not chunk:
                break
            await work.pay(len(chunk))
            under_way.append((chunk, executor.send(given_each(work.context, chunk))))
        if not under_way:
            continue
        chunk, sent = under_way.popleft()
        try:
            answer = await executor.receive(sent)
        except LostChunkError as lost:
            await _recover(work, chunk, lost)
            while under_way:
                _offer_again(work, under_way.popleft()[0])
            continue
        stride.learn(len(chunk), answer.seconds)
        work.meter.run.add(answer.seconds / len(chunk), len(chunk))
        work.meter.computed += answer.computed
        await _settle(work, chunk, answer)


def _offer_again(work: Work, chunk: list[Message[Any]]) -> None:
    for message in chunk:
        work.again(message, counted=False)


async def _settle(work: Work, chunk: list[Message[Any]], answer: Answer) -> None:
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


async def _feed_batches(work: Work, executor: Executor, batcher: Batcher) -> None:
    time = work.clock.monotonic

    async def call(payloads: list[Any]) -> Any:
        try:
            return await executor.whole(payloads)
        except LostChunkError as lost:
            work.meter.replaced += 1
            raise lost.cause from lost

    while batch := batcher.collect_nowait() or await batcher.collect():
        await work.pay(len(batch))
        started, blocked = time(), work.meter.blocked
        await settle_batch(work, batch, call)
        spent = max(time() - started - work.meter.blocked + blocked, 0.0)
        work.meter.run.add(spent / len(batch), len(batch))


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


def start_feeders(work: Work, executors: list[Any]) -> list[asyncio.Task[None]]:
    """One task per executor."""
    batcher = Batcher(work) if work.stage.options.batched else None
    return [
        work.group.create_task(feed(work, executor, batcher), name=f"{work.stage.name}/{number}")
        for number, executor in enumerate(executors)
    ]
