"""The worker of a fork: it copies nothing but references, and waits where a branch is full."""

import asyncio
from collections.abc import Callable, Hashable, Sequence
from typing import Any

from penstock.flow._branch import ELSE, UnknownBranchError
from penstock.flow._channel import MemoryChannel
from penstock.flow._message import Drop, Message
from penstock.flow._work import Work, put_rest, put_some

_AT_ONCE = 64
Share = tuple[MemoryChannel[Any], list[Message[Any]]]


class ForkPool:
    """One task that takes messages and hands each to one branch, or to all."""

    def __init__(
        self,
        work: Work,
        choose: Callable[[Any], Hashable] | None,
        outs: Sequence[tuple[Hashable, MemoryChannel[Any]]],
    ) -> None:
        self._work = work
        self._choose = choose
        self._outs = outs
        self._branches = dict(outs)
        self.workers = 1

    def start(self) -> list[asyncio.Task[None]]:
        """Start the worker."""
        return [self._work.group.create_task(self._divide(), name=f"{self._work.stage.name}/0")]

    def stop(self) -> None:
        """The worker has ended."""

    async def aclose(self) -> None:
        """Nothing is held besides the task."""

    async def _divide(self) -> None:
        work = self._work
        while await work.wait_work():
            messages = work.take_many_nowait(min(_AT_ONCE, work.intake.capacity))
            started = work.clock.monotonic()
            shares = (
                self._copied(messages) if self._choose is None else await self._chosen(messages)
            )
            work.meter.run.add((work.clock.monotonic() - started) / len(messages), len(messages))
            # What finds room goes on before the wait for a branch that is full.
            full = [(out, rest) for out, share in shares if (rest := put_some(work, share, out))]
            for out, rest in full:
                await put_rest(work, rest, out)

    def _copied(self, messages: list[Message[Any]]) -> list[Share]:
        work, outs = self._work, self._outs
        shares: list[Share] = [(out, []) for _, out in outs]
        for message in messages:
            children = work.ledger.hand_out(message, [message.payload] * len(outs))
            work.meter.extra += len(children) - message.weight
            for (_, share), child in zip(shares, children, strict=True):
                share.append(child)
        return shares

    async def _chosen(self, messages: list[Message[Any]]) -> list[Share]:
        shares: dict[MemoryChannel[Any], list[Message[Any]]] = {}
        for message in messages:
            try:
                out = self._branch_of(message.payload)
            except Exception as error:  # noqa: BLE001 - the stage's boundary: it becomes an outcome
                await self._work.fail(message, error)
                continue
            if out is None:
                await self._work.drop(message)
            else:
                shares.setdefault(out, []).append(message)
        return list(shares.items())

    def _branch_of(self, payload: Any) -> MemoryChannel[Any] | None:
        """The channel for a payload; None where it goes nowhere."""
        key = self._choose(payload) if self._choose is not None else ELSE
        if type(key) is Drop:
            return None
        out = self._branches.get(key) or self._branches.get(ELSE)
        if out is None:
            known = ", ".join(map(repr, self._branches))
            raise UnknownBranchError(self._work.stage.name, repr(key), known)
        return out
