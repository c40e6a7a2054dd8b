"""What every worker of a stage shares: where its messages come from, and what becomes of them."""

import asyncio
import random
from collections import deque
from collections.abc import Coroutine
from typing import Any

from msgspec import Struct, field

from penstock.base import Clock, RetryPolicy
from penstock.flow._channel import MemoryChannel, heed_cancellation
from penstock.flow._context import ContextSetup
from penstock.flow._dead_letters import Reason
from penstock.flow._errors import FatalError, PoisonError, WorkerDiedError
from penstock.flow._message import FIXED_SIZES, Drop, Message, size_of
from penstock.flow._order import OrderKeeper, keeper_of
from penstock.flow._outcome import Ledger, reason_of
from penstock.flow._pack import Pack
from penstock.flow._rate import RateLimit, Toll
from penstock.flow._stage import Stage
from penstock.flow._statistics import Meter

_CRASHES = 3
NOTHING = frozenset({type(None), Drop})
"""What a stage returns to filter a message out."""


class Work(Struct):
    """One stage of one run.

    `intake` is the channel above it, `out` the one below; a sink has none, and delivers. A fork has
    none either: its pool knows the channels of its branches.
    """

    stage: Stage[..., Any]
    intake: MemoryChannel[Any]
    out: MemoryChannel[Any] | None
    ledger: Ledger
    clock: Clock
    chance: random.Random
    group: asyncio.TaskGroup
    meter: Meter = field(default_factory=Meter)
    ready: deque[Message[Any]] = field(default_factory=deque)
    parked: dict[Message[Any], tuple[asyncio.Task[None], Exception]] = field(default_factory=dict)
    draining: bool = False
    order: OrderKeeper | None = None
    toll: Toll | None = None
    context: ContextSetup | None = None

    def __post_init__(self) -> None:
        self.order = keeper_of(self.stage.options.order, self.intake.capacity)
        rate = self.stage.options.rate
        if rate is not None:
            limit = rate if isinstance(rate, RateLimit) else RateLimit(rate)
            self.toll = Toll(limit, self.clock, self.meter)

    @property
    def held(self) -> bool:
        """Whether new work must wait: enough is parked, or the head of the order is too far behind."""
        waiting = len(self.parked) + len(self.ready)
        if self.order is None:
            return waiting >= self.intake.capacity
        return waiting + self.order.waiting >= self.intake.capacity or self.order.full

    def take_nowait(self) -> Message[Any] | None:
        """The next message to work on, if there is one: first those that are due again."""
        if self.ready:
            return self.ready.popleft()
        if self.parked or self.order is not None:
            return self._take_in_order()
        message = self.intake.get_nowait()
        if message is not None:
            self.meter.taken += 1 if message.notes is None else message.notes.weight
        return message

    def take_many_nowait(self, limit: int) -> list[Message[Any]]:
        """Up to `limit` messages to work on; those that are due again come alone."""
        if self.ready or self.parked or self.order is not None:
            message = self.take_nowait()
            taken = [] if message is None else [message]
            while taken and taken[0].attempt == 1 and len(taken) < limit and not self.ready:
                message = self.take_nowait()
                if message is None:
                    break
                taken.append(message)
            return taken
        taken = self.intake.get_many_nowait(limit)
        self.meter.taken += self.ledger.weigh(taken)
        return taken

    def take_pack_nowait(self, limit: int) -> Pack[Any]:
        """Up to `limit` messages to work on, where packs wait, and nothing is due again, parked or in order."""
        pack = self.intake.get_pack_nowait(limit)
        self.meter.taken += pack.count
        return pack

    def _take_in_order(self) -> Message[Any] | None:
        while not self.held and (message := self.intake.get_nowait()) is not None:
            self.meter.taken += message.weight
            if self.order is None or _enter(self, self.order, message):
                return message
        return None

    async def pay(self, count: int) -> None:
        """Return when the stage's rate lets `count` messages more begin."""
        if self.toll is not None:
            await self.toll.pay(count)

    async def wait_work(self) -> bool:
        """Wait until there is something to take; False: the stage is over, for every worker."""
        intake = self.intake
        heed_cancellation()
        while True:
            if self.ready or (intake.count and not self.held):
                return True
            if self.over:
                intake.wake_all()
                return False
            await intake.wait_changed()

    @property
    def over(self) -> bool:
        """Whether the stream has ended and nothing can come back."""
        return self.intake.closed and not self.intake.count and not self.meter.in_hand

    async def finish(self, message: Message[Any], result: Any) -> None:
        """The attempt succeeded with one result."""
        if self.out is not None and (result is None or type(result) is Drop):
            await self._filter(message)
            return
        message.payload = result
        await self._pass_on(message, [message])

    async def expand(self, message: Message[Any], results: list[Any]) -> None:
        """The attempt succeeded with any number of results."""
        kept = [one for one in results if one is not None and type(one) is not Drop]
        if not kept:
            await self._filter(message)
            return
        children = self.ledger.hand_out(message, kept)
        self.meter.extra += len(children) - message.weight
        if self.order is not None:
            await self._release(self.order, message, children)
        else:
            await self.hand_on(children)

    async def finish_many(self, batch: list[Message[Any]], results: Any) -> None:
        """The attempt succeeded with one result per message."""
        if self.out is None and self.order is None:
            self.meter.emitted += self.ledger.deliver_for_good(batch)
            return
        if self.out is None:
            for message in batch:
                await self.finish(message, None)
            return
        kinds = set(map(type, results))
        if self.order is not None or self.meter.retries or not kinds.isdisjoint(NOTHING):
            for message, result in zip(batch, results, strict=True):
                await self.finish(message, result)
            return
        size = FIXED_SIZES.get(kinds.pop()) if len(kinds) == 1 else None
        await self.hand_on(batch, _replace_payloads(batch, results, size))

    async def merge(self, batch: list[Message[Any]], results: list[Any]) -> None:
        """The attempt succeeded with results that belong to the batch as a whole."""
        kept = [one for one in results if one is not None and type(one) is not Drop]
        if self.out is None:
            self.deliver(batch)
        elif not kept:
            for message in batch:
                await self._filter(message)
        else:
            before = self.ledger.weigh(batch)
            merged = self.ledger.merge(batch, kept)
            self.meter.extra += self.ledger.weigh(merged) - before
            await self.hand_on(merged)

    async def stream_on(self, message: Message[Any], results: list[Any], place: int) -> int:
        """Hand on outputs of an attempt that is still going on; returns how many."""
        kept = [one for one in results if one is not None and type(one) is not Drop]
        children = [message.child(one, number) for number, one in enumerate(kept, start=place)]
        if children:
            self.ledger.gain(message, len(children))
            self.meter.extra += len(children)
            await self.hand_on(children)
        return len(children)

    async def end_stream(self, message: Message[Any], emitted: int) -> None:
        """A streaming attempt has succeeded: its message is used up."""
        if not emitted:
            await self._filter(message)
            return
        self.meter.extra -= message.weight
        self.ledger.settle(message)

    @property
    def output_limit(self) -> int:
        """Most outputs of one attempt that are held back until it has succeeded."""
        return self.intake.capacity if self.out is None else self.out.capacity

    async def hand_on(self, messages: list[Message[Any]], size: int | None = None) -> None:
        """Put finished messages, of `size` bytes in all where known, into the channel below, or deliver them."""
        if self.out is None:
            self.deliver(messages)
            return
        rest = put_some(self, messages, self.out, size)
        if rest:
            await put_rest(self, rest, self.out)

    def deliver(self, messages: list[Message[Any]]) -> None:
        """The last stage is done with these."""
        self.meter.emitted += self.ledger.deliver(messages)

    async def _pass_on(self, message: Message[Any], made: list[Message[Any]]) -> None:
        if self.order is not None:
            await self._release(self.order, message, made)
            return
        # Above 1 only for a message that comes again; the stages below count from 1.
        if message.notes is not None:
            message.notes.attempt = 1
        message.size = size_of(message.payload)
        await self.hand_on(made)

    async def _release(
        self, order: OrderKeeper, message: Message[Any], made: list[Message[Any]]
    ) -> None:
        for one in made:
            one.annotate().attempt = 1
            one.size = size_of(one.payload)
        follower = await order.release(message, made, self.hand_on)
        if follower is not None:
            self.ready.append(follower)
        self.intake.wake_all()

    async def _filter(self, message: Message[Any]) -> None:
        if self.out is None:
            await self._pass_on(message, [message])
            return
        await self.drop(message)

    async def drop(self, message: Message[Any]) -> None:
        """Let a message go on purpose."""
        self.meter.filtered += message.weight
        self.ledger.settle(message)
        await self._vacate(message)

    async def _vacate(self, message: Message[Any]) -> None:
        if self.order is not None:
            await self._release(self.order, message, [])

    async def fail(self, message: Message[Any], error: Exception) -> None:
        """The attempt failed: try again later, or record a dead letter."""
        self.meter.failures += 1
        if isinstance(error, FatalError):
            raise error
        # How an attempt ends that is cut off by the end of the flow says nothing about its message.
        heed_cancellation()
        if not _retryable(self.stage.options.retry, message, error):
            await self.bury(message, error, reason_of(error))
        elif self.draining:
            await self._leave(message, error)
        elif self.ledger.may_retry():
            self._park(message, error)
        else:
            await self.bury(message, error, "retry budget")

    def _park(self, message: Message[Any], error: Exception) -> None:
        delay = self.stage.options.retry.delay(message.attempt, self.chance)
        task = _begin(self.group, self._come_back(message, delay), f"{self.stage.name}/retry")
        if task is not None:
            self.parked[message] = (task, error)

    async def _come_back(self, message: Message[Any], delay: float) -> None:
        await self.clock.sleep(delay)
        # A drain may have taken it in the meantime.
        if self.parked.pop(message, None) is not None:
            self.again(message)

    def again(self, message: Message[Any], *, counted: bool = True) -> None:
        """Offer a message to the workers once more, as another attempt if `counted`."""
        if counted:
            message.annotate().attempt += 1
            self.meter.retries += 1
        self.ready.append(message)
        self.intake.wake_all()

    async def _leave(self, message: Message[Any], error: Exception) -> None:
        """What a drain does with a message in backoff."""
        notes = message.annotate()
        if self.ledger.redelivers(message):
            self.hand_back([message])
            if self.order is not None:
                self.order.leave(message)
                self.hand_back(self.order.left)
            await self._vacate(message)
            self.intake.wake_all()
        elif notes.last:
            await self.bury(message, error, "drained")
        else:
            notes.last = True
            self.again(message)

    def hand_back(self, messages: list[Message[Any]]) -> None:
        """The source gets these again, undone; takes them out of the list."""
        while messages:
            message = messages.pop()
            self.meter.returned += message.weight
            self.ledger.hand_back(message)

    async def bury(self, message: Message[Any], error: BaseException, reason: Reason) -> None:
        """Record a dead letter, then settle."""
        await self.ledger.bury(message, self.stage.name, error, reason)
        self.meter.dead += message.weight
        self.ledger.settle_dead(message)
        await self._vacate(message)
        self.ledger.check_budgets()

    def drain(self) -> None:
        """Stop waiting for messages in backoff."""
        self.draining = True
        parked, self.parked = self.parked, {}
        for message, (task, error) in parked.items():
            # A task that was cancelled before its first step would never say so: another one is told.
            task.cancel()
            _begin(self.group, self._leave(message, error), f"{self.stage.name}/leave")


def _begin(
    group: asyncio.TaskGroup, work: Coroutine[Any, Any, None], name: str
) -> asyncio.Task[None] | None:
    """A task of the group; none where the whole group is ending, and nobody waits for the message."""
    try:
        return group.create_task(work, name=name)
    except RuntimeError:
        work.close()
        return None


def put_some(
    work: Work, messages: list[Message[Any]], out: MemoryChannel[Any], size: int | None = None
) -> list[Message[Any]]:
    """Put as many as there is room for, and return the rest."""
    sent = out.put_many_nowait(messages, size)
    work.meter.emitted += work.ledger.weigh(messages[:sent])
    return messages[sent:]


async def put_rest(work: Work, messages: list[Message[Any]], out: MemoryChannel[Any]) -> None:
    """Put these, waiting for room."""
    started = work.clock.monotonic()
    for message in messages:
        # Counted before the channel can hand it to anyone, and not while it waits for room.
        again = False
        while not out.put_nowait(message):
            heed_cancellation()
            await out.wait_room(again=again)
            again = True
        work.meter.emitted += message.weight
    out.pass_room()
    work.meter.blocked += work.clock.monotonic() - started


def _retryable(policy: RetryPolicy, message: Message[Any], error: Exception) -> bool:
    if isinstance(error, PoisonError):
        return False
    if isinstance(error, WorkerDiedError) and message.attempt < _CRASHES:
        return True
    return policy.allows(message.attempt, error)


def _replace_payloads(
    batch: list[Message[Any]], results: list[Any], size: int | None
) -> int | None:
    """Put the results in; the bytes of all of them where each has `size`."""
    if size is None:
        for message, result in zip(batch, results, strict=True):
            message.payload = result
            message.size = size_of(result)
        return None
    for message, result in zip(batch, results, strict=True):
        message.payload = result
        message.size = size
    return size * len(batch)


def _enter(work: Work, order: OrderKeeper, message: Message[Any]) -> bool:
    """Whether the order lets the message be worked on now."""
    try:
        return order.enter(message)
    except Exception as error:  # noqa: BLE001 - the user's key function: it becomes an outcome
        work.group.create_task(_refuse(work, message, error), name=f"{work.stage.name}/key")
        return False
    finally:
        work.hand_back(order.left)


async def _refuse(work: Work, message: Message[Any], error: Exception) -> None:
    if isinstance(error, FatalError):
        raise error
    work.meter.failures += 1
    await work.bury(message, error, reason_of(error))
    work.intake.wake_all()
