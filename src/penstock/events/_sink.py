"""The port behind which events leave: a file, a webhook, a topic."""

from collections.abc import Sequence
from typing import Protocol

from penstock.events._cloud import CloudEvent


class EventSink(Protocol):
    """Takes events, in the order in which they may be read."""

    async def send(self, events: Sequence[CloudEvent]) -> None:
        """Hand events on; once this has returned they are where they belong, durably.

        May be called again with events that it was sent before: after a crash, or by another
        process. Their ids tell.

        Raises:
            OSError: They were not all handed on; the relay sends them again, in the same order.
        """
        ...
