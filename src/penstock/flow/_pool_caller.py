"""The end of a flow that is iterated: whoever asks for the next result does the work of a sink."""

import asyncio
from typing import Any

from penstock.flow._message import Message
from penstock.flow._stage import Stage, StageOptions
from penstock.flow._work import Work


class Results:
    """What a flow has made, for one caller in the loop of the flow.

    Results that were given and not `settle`d are in flight; they are handed back when the flow ends.
    """

    def __init__(self) -> None:
        self.ended = asyncio.Event()
        self._given: list[Message[Any]] = []
        self._since = 0.0
        self._work: Work | None = None

    def __call__(self, payload: Any) -> None:
        """Nobody calls it: a stage is made of something that can be called."""

    def stage(self) -> Stage[..., Any]:
        """The stage that stands for the caller."""
        return Stage(self, StageOptions(name="stream", pool="caller"))

    def attach(self, work: Work) -> None:
        """The run that gives the results."""
        self._work = work

    def settle(self, count: int) -> None:
        """The caller is done with the oldest `count` of what it was given: these are delivered."""
        done, self._given = self._given[:count], self._given[count:]
        if self._work is not None and done and not self.ended.is_set():
            now = self._work.clock.monotonic()
            self._work.meter.run.add((now - self._since) / len(done), len(done))
            self._since = now
            self._work.deliver(done)

    async def take(self, limit: int) -> list[Any]:
        """At least one result and at most `limit`, as far as they are there; none at the end of the flow."""
        work = self._work
        while work is not None and not self.ended.is_set():
            messages = work.take_many_nowait(limit)
            if messages:
                self._given += messages
                self._since = work.clock.monotonic()
                return [message.payload for message in messages]
            if work.over:
                self.ended.set()
            else:
                await work.intake.wait_changed()
        return []


class CallerPool:
    """No worker: it waits until the caller has taken all, or the flow ends early."""

    def __init__(self, work: Work, results: Results) -> None:
        self._work = work
        self._results = results
        self.workers = 1
        results.attach(work)

    def start(self) -> list[asyncio.Task[None]]:
        """Wait for the caller's last call."""
        return [self._work.group.create_task(self._wait(), name="stream")]

    def stop(self) -> None:
        """The caller has taken all."""

    async def aclose(self) -> None:
        """Let the caller go, also where the flow failed before there was anything to wait for."""
        self._let_go()

    async def _wait(self) -> None:
        try:
            await self._results.ended.wait()
        finally:
            self._let_go()

    def _let_go(self) -> None:
        self._results.ended.set()
        self._work.intake.wake_all()
