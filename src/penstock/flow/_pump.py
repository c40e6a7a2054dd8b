"""From the source into the first channel: only as much as there is room for."""

import asyncio
from typing import Any

from penstock.flow._channel import MemoryChannel, heed_cancellation
from penstock.flow._errors import FlowError
from penstock.flow._message import Message
from penstock.flow._outcome import Ledger
from penstock.flow._pack import Pack
from penstock.flow._source import EndOfSource, PulledSource, Source

Given = Pack[Any] | list[Message[Any]]

# Below the 700 new objects at which Python's garbage collector starts to look: a third of a message's cost.
_DEMAND = 512


class Pump:
    """Pulls from the source until it ends, or until it is asked to drain."""

    def __init__(
        self, source: Source[Any], ledger: Ledger, out: MemoryChannel[Any], prefix: str = ""
    ) -> None:
        """Make one that has not begun.

        Args:
            source: Whatever gives messages.
            ledger: Counts them.
            out: The channel into which they go.
            prefix: What their ids begin with, where there are several sources.
        """
        self._source = source
        self._prefix = prefix
        self._ledger = ledger
        self._out = out
        self._pull: asyncio.Task[Any] | None = None
        self.draining = False
        self.in_hand = 0

    def drain(self) -> None:
        """Pull no more; what has been pulled goes on."""
        self.draining = True
        if self._pull is not None:
            self._pull.cancel()
        # A pump that waits for room although it holds nothing must look again.
        self._out.wake_writers()

    async def run(self) -> None:
        """Pull until the end of the source, then end the stream."""
        out = self._out
        while not self.draining:
            heed_cancellation()
            room = self._room(out)
            if room <= 0 or out.bytes >= out.capacity_bytes:
                await out.wait_room()
                continue
            # Another source may wait for the same room, and this one may be slow, or at its end.
            out.pass_room()
            given = await self._pulled(room)
            if given is None:
                break
            await self._push(given, out)
            await asyncio.sleep(0)
        out.finish()

    async def _pulled(self, demand: int) -> Given | None:
        """What the source gives; None at its end, and when the flow drains."""
        self._pull = asyncio.current_task()
        try:
            given = await self._asked(demand)
            if self.draining and self._pull is not None:
                self._pull.uncancel()  # the source has not heeded the drain: what it gives goes on
        except EndOfSource:
            return None
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if self.draining and task is not None and not task.uncancel():
                return None
            if task is None or task.cancelling():
                raise
            raise FlowError(
                "the source's pull ended with CancelledError, and nobody cancelled it"
            ) from None
        finally:
            self._pull = None
        if not given:
            await asyncio.sleep(0)
        return given

    def _room(self, out: MemoryChannel[Any]) -> int:
        """How many to pull: of packs only whole ones, unless nothing else has room."""
        room = out.capacity - out.count
        whole = room - room % (out.pack_size or 1)
        return whole or (0 if out.count else room)

    async def _asked(self, demand: int) -> Given:
        source = self._source
        plain = not (self._prefix or self._ledger.early)
        if plain and self._out.pack_size and isinstance(source, PulledSource):
            return await source.pull_pack(demand)
        return list(await source.pull(min(demand, _DEMAND)))

    async def _push(self, given: Given, out: MemoryChannel[Any]) -> None:
        self.in_hand = len(given)
        if isinstance(given, Pack):
            self._ledger.pulled += len(given)
            sent = out.put_pack_nowait(given)
            rest = given.part(sent, len(given)).messages()
        else:
            messages = await self._opened(given)
            sent = out.put_many_nowait(messages)
            rest = messages[sent:]
        self.in_hand -= sent
        for message in rest:
            again = False
            while not out.put_nowait(message):
                heed_cancellation()
                await out.wait_room(again=again)
                again = True
            self.in_hand -= 1
        if rest:
            out.pass_room()

    async def _opened(self, messages: list[Message[Any]]) -> list[Message[Any]]:
        self._ledger.opened(messages, self._source)
        if self._ledger.early:
            await self._ledger.take(messages, self._source)
        if self._prefix:
            return self._ledger.open_under(messages, self._prefix)
        return messages
