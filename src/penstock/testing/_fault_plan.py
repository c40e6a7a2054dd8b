"""Faults, and how stages, sources and sinks come to suffer from them."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from types import coroutine
from typing import Any

from msgspec.structs import replace

from penstock.flow import Message, Sink, Stage
from penstock.testing._flow_fakes import ListSource

Draw = Callable[[], float]


class InjectedError(ConnectionError):
    """What a fault plan has a stage, a source or a sink fail with."""


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """How often what goes wrong; each a chance from 0 to 1.

    `FaultPlan.none()` is a quiet day. A number of 1 fails always, so that nothing comes to an end.
    """

    fail: float = 0.03
    """An attempt raises `InjectedError`: at its start, and at each of its awaits."""

    cancel: float = 0.003
    """An attempt is cancelled from within, at the same places: a time-out of its own that got out."""

    slow: float = 0.1
    """An attempt takes up to `slowest` longer."""

    slowest: float = 10.0
    """In virtual seconds."""

    source: float = 0.003
    """A `pull`, `ack` or `nack` fails."""

    hesitate: float = 0.2
    """A `pull` waits, or gives nothing, or less than it was asked for."""

    sink: float = 0.01
    """A `write`, `flush` or `commit` of a `Sink` fails."""

    interrupt: float = 0.5
    """A run is drained, stopped, cancelled, or its process crashes, at any step."""

    @classmethod
    def none(cls) -> "FaultPlan":
        """No fault at all: only the order of things is drawn."""
        return cls(fail=0, cancel=0, slow=0, source=0, hesitate=0, sink=0, interrupt=0)

    def strike(self, draw: Draw) -> None:
        """Fail an attempt, or not.

        Raises:
            InjectedError: It fails.
            asyncio.CancelledError: It is cancelled.
        """
        number = draw()
        if number < self.fail:
            raise InjectedError("injected into an attempt")
        if number < self.fail + self.cancel:
            raise asyncio.CancelledError("injected into an attempt")


def faulty_stage(stage: Stage[..., Any], plan: FaultPlan, draw: Draw) -> Stage[..., Any]:
    """The stage with the faults of `plan` in each of its attempts; still of the same kind."""
    function: Any = stage.function
    if isinstance(function, Sink):
        made: Any = FaultySink(function, plan, draw)
    elif stage.expands:
        made = _faulty_generator(stage, plan, draw)
    else:
        made = _faulty_function(function, plan, draw)
    if stage.takes_context:
        made.__signature__ = inspect.signature(function)
    return replace(stage, function=made)


def _faulty_function(function: Callable[[Any], Any], plan: FaultPlan, draw: Draw) -> Any:
    async def awaited(payload: Any, **more: Any) -> Any:
        await _start(plan, draw)
        result = function(payload, **more)
        if inspect.isawaitable(result):
            result = await _struck_at_awaits(result, plan, draw)
        return result

    return awaited


def _faulty_generator(stage: Stage[..., Any], plan: FaultPlan, draw: Draw) -> Any:
    function: Any = stage.function

    async def yielded(payload: Any, **more: Any) -> AsyncIterator[Any]:
        await _start(plan, draw)
        async for result in function(payload, **more):
            yield result
            plan.strike(draw)

    def generated(payload: Any, **more: Any) -> Iterator[Any]:
        plan.strike(draw)
        for result in function(payload, **more):
            yield result
            plan.strike(draw)

    return yielded if stage.is_async_generator else generated


async def _start(plan: FaultPlan, draw: Draw) -> None:
    plan.strike(draw)
    if draw() < plan.slow:
        await asyncio.sleep(draw() * plan.slowest)


@coroutine
def _struck_at_awaits(
    attempt: Awaitable[Any], plan: FaultPlan, draw: Draw
) -> Generator[Any, Any, Any]:
    """Go on with `attempt` step by step; a fault may come wherever it waits."""
    steps = attempt.__await__()
    try:
        waits_for = next(steps)
        while True:
            try:
                yield waits_for
                plan.strike(draw)
            except BaseException as fault:  # noqa: BLE001 - it is the attempt's to deal with
                waits_for = steps.throw(fault)
            else:
                waits_for = next(steps)
    except StopIteration as end:
        return end.value


class FaultySink(Sink[Any]):
    """A sink whose methods fail now and then, before they have done anything."""

    def __init__(self, sink: Sink[Any], plan: FaultPlan, draw: Draw) -> None:
        self._sink = sink
        self._plan = plan
        self._draw = draw

    async def write(self, messages: Sequence[Message[Any]]) -> None:
        await self._fail("write")
        await self._sink.write(messages)

    async def flush(self) -> None:
        await self._fail("flush")
        await self._sink.flush()

    async def commit(self) -> None:
        await self._fail("commit")
        await self._sink.commit()

    async def aclose(self) -> None:
        await self._sink.aclose()

    async def _fail(self, what: str) -> None:
        await asyncio.sleep(0)
        if self._draw() < self._plan.sink:
            raise InjectedError(f"injected into the {what} of the sink")


class FaultySource(ListSource[Any]):
    """A list source that hesitates and fails, and says when it is used otherwise than agreed."""

    def __init__(
        self, items: Sequence[Any], ids: Sequence[int], plan: FaultPlan, draw: Draw
    ) -> None:
        super().__init__(items, ids=ids)
        self.wrongs: list[str] = []
        """What the runtime has done that the port forbids."""
        self._plan = plan
        self._draw = draw
        self.given: set[str] = set()
        self.unheard: set[str] = set()
        """Ids of which it was told by a call that failed."""
        self._busy: set[str] = set()

    async def pull(self, demand: int) -> Sequence[Message[Any]]:
        self._begin("pull")
        try:
            if demand < 1:
                self.wrongs.append(f"demand is {demand}")
            await self._fail("pull")
            if self._draw() < self._plan.hesitate:
                await asyncio.sleep(self._draw() * self._plan.slowest)
                demand = int(self._draw() * (demand + 1))
            messages = await super().pull(demand) if demand else []
            self.given.update(message.id for message in messages)
            return messages
        finally:
            self._busy.discard("pull")

    async def ack(self, messages: Sequence[Message[Any]]) -> None:
        await self._hear("ack", messages)
        await super().ack(messages)

    async def nack(self, messages: Sequence[Message[Any]]) -> None:
        await self._hear("nack", messages)
        await super().nack(messages)

    async def _hear(self, what: str, messages: Sequence[Message[Any]]) -> None:
        self._begin("ack or nack")
        try:
            await self._fail(what)
        except InjectedError:
            self.unheard.update(message.id for message in messages)
            raise
        finally:
            self._busy.discard("ack or nack")
        told = {*self.acked, *self.nacked}
        for message in messages:
            if message.id not in self.given:
                self.wrongs.append(f"{what} of {message.id}, which was not given")
            if message.id in told:
                self.wrongs.append(f"{what} of {message.id}, which was told already")

    def _begin(self, what: str) -> None:
        if self.closed:
            self.wrongs.append(f"{what} after the close")
        if what in self._busy:
            self.wrongs.append(f"{what} while another one is under way")
        self._busy.add(what)

    async def _fail(self, what: str) -> None:
        await asyncio.sleep(0)
        if self._draw() < self._plan.source:
            raise InjectedError(f"injected into the {what} of the source")
