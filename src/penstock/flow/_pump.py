"""From the source into the first channel: only as much as there is room for."""

import asyncio
from typing import Any

from penstock.flow._channel import MemoryChannel, heed_cancellation
from penstock.flow._errors import FlowError
from penstock.flow._message import Message
from penstock.flow._outcome import Ledger
from penstock.flow._source import EndOfSource, Source

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
            room = out.capacity - len(out.items)
            if room <= 0 or out.bytes >= out.capacity_bytes:
                await out.wait_room()
                continue
            # Another source may wait for the same room, and this one may be slow, or at its end.
            out.pass_room()
            messages = await self._pulled(min(room, _DEMAND))
            if messages is None:
                break
            await self._push(messages, out)
            await asyncio.sleep(0)
        out.finish()

    async def _pulled(self, demand: int) -> list[Message[Any]] | None:
        """What the source gives; None at its end, and when the flow drains."""
        self._pull = asyncio.current_task()
        try:
            messages = list(await self._source.pull(demand))
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
        if not messages:
            await asyncio.sleep(0)
        return messages

    async def _push(self, messages: list[Message[Any]], out: MemoryChannel[Any]) -> None:
        self._ledger.opened(messages, self._source)
        self.in_hand = len(messages)
        if self._ledger.early:
            await self._ledger.take(messages, self._source)
        if self._prefix:
            messages = self._ledger.open_under(messages, self._prefix)
        sent = out.put_many_nowait(messages)
        self.in_hand -= sent
        for message in messages[sent:]:
            again = False
            while not out.put_nowait(message):
                heed_cancellation()
                await out.wait_room(again=again)
                again = True
            self.in_hand -= 1
        if sent < len(messages):
            out.pass_room()
