"""Where messages leave a flow."""

from collections.abc import Sequence
from typing import Protocol, TypeVar, runtime_checkable

from penstock.flow._message import Message

T = TypeVar("T")


@runtime_checkable
class Sink(Protocol[T]):
    """Where messages leave a flow.

    The runtime calls one method at a time. Messages count as delivered, and are acknowledged,
    after the `commit` that follows their `write`: at least once, and effectively once where
    `commit` makes them visible together with their ids. `flush` and `commit` are called when no
    more messages wait, at the latest after the capacity of the channel, and when the flow drains.
    """

    async def write(self, messages: Sequence[Message[T]]) -> None:
        """Take these messages; they may stay in memory until `flush`."""
        ...

    async def flush(self) -> None:
        """Make durable what was written."""
        ...

    async def commit(self) -> None:
        """Publish what was flushed; only after this returns are the messages settled."""
        ...

    async def aclose(self) -> None:
        """Let go of whatever is held, once, also after a failure; what was not committed is dropped."""
        ...
