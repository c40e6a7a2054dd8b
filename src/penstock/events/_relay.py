"""From the outbox to one sink, with a cursor that survives."""

from datetime import timedelta
from random import Random
from typing import Final

from penstock.base import Clock, Failpoints, RetryPolicy
from penstock.events._cloud import cloud_event
from penstock.events._sink import EventSink
from penstock.telemetry import get_logger
from penstock.workflow import store

_log = get_logger("events")
_PAGE: Final = 500
_RETRY: Final = RetryPolicy(
    initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=30)
)


class Relay:
    """Sends one consumer what it has not seen, in order, for as long as it takes.

    Delivery: at least once. The cursor is kept after the sink has answered, so a crash between both
    sends a page again. One sink that fails holds up no other.
    """

    def __init__(
        self,
        outbox: store.Outbox,
        consumer: str,
        sink: EventSink,
        *,
        clock: Clock,
        failpoints: Failpoints | None = None,
    ) -> None:
        """Prepare a relay.

        Args:
            outbox: Where events are read.
            consumer: The name under which the cursor is kept.
            sink: Where they go.
            clock: For pauses.
            failpoints: `events.sent` is crossed between the sink's answer and the cursor.
        """
        self._outbox = outbox
        self._consumer = consumer
        self._sink = sink
        self._clock = clock
        self._failpoints = failpoints or Failpoints()
        self._chance = Random(consumer)  # noqa: S311 - spreads load, guards nothing

    async def run(self, *, poll: timedelta = timedelta(milliseconds=200)) -> None:
        """Send for ever; a sink that fails is tried again with growing pauses."""
        failures = 0
        while True:
            try:
                more = await self.send_page()
                failures = 0
            except OSError as error:
                failures += 1
                _log.warning("events not sent", consumer=self._consumer, error=str(error))
                await self._clock.sleep(_RETRY.delay(failures, self._chance))
                continue
            if not more:
                await self._clock.sleep(poll.total_seconds())

    async def drain(self, *, attempts: int = 1) -> None:
        """Send all that is there now.

        Raises:
            OSError: The sink failed so often in a row; what it did not take is sent another time.
        """
        failures = 0
        while True:
            try:
                if not await self.send_page():
                    return
                failures = 0
            except OSError:
                failures += 1
                if failures >= attempts:
                    raise
                await self._clock.sleep(_RETRY.delay(failures, self._chance))

    async def begin_now(self) -> None:
        """Leave out what happened before, if this consumer was never sent anything."""
        if await self._outbox.cursor(self._consumer) == 0:
            await self._outbox.advance(self._consumer, await self._outbox.end())

    async def send_page(self) -> bool:
        """Send the next page; False if there was none."""
        after = await self._outbox.cursor(self._consumer)
        page = await self._outbox.read(after=after, limit=_PAGE)
        if not page:
            return False
        await self._sink.send([cloud_event(kept) for kept in page])
        self._failpoints.cross("events.sent")
        await self._outbox.advance(self._consumer, page[-1].position)
        return True
