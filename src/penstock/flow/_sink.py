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


@runtime_checkable
class ProgressSink(Sink[T], Protocol[T]):
    """A sink that keeps the flow's progress together with its data: exactly once in effect.

    A restart goes on from what this sink returns, whatever the checkpoint directory says: where a
    database was restored from a backup, or a process died between the two, the sink wins.
    A source message of which only some children were committed is worked on again as a whole; write
    by message id where stages make several messages of one.
    """

    async def kept_progress(self) -> bytes | None:
        """What the last successful `commit` published; None before the first. Called once, at the start."""
        ...

    async def keep_progress(self, progress: bytes) -> None:
        """Have the next `commit` publish this together with the data; called between `flush` and `commit`.

        Args:
            progress: Some hundred bytes per lane of the source; replaces what was kept before.
        """
        ...
