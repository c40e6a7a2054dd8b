"""The channel between threads and event loops of one process."""

from typing import TypeVar

from penstock.base import parse_size
from penstock.channels._shared import SharedChannel
from penstock.channels._store import Store
from penstock.flow import FlowError

T = TypeVar("T")


class ThreadChannel(SharedChannel[T]):
    """A bounded channel in memory that any number of threads and event loops use at once.

    For what does not run on a flow's loop: callbacks of a client library, a web handler on a loop of
    its own, flows that run in threads of their own.

    >>> channel: ThreadChannel[str] = ThreadChannel("words", capacity=10)
    >>> channel.send("hello")
    >>> message = channel.receive()
    >>> channel.settle([message])
    >>> message.payload, channel.statistics().in_hand
    ('hello', 0)
    """

    def __init__(
        self,
        name: str = "channel",
        *,
        capacity: int = 1024,
        capacity_bytes: object = "64MiB",
    ) -> None:
        """Make an empty channel.

        Args:
            name: Appears in errors.
            capacity: Most messages that wait, at least 1.
            capacity_bytes: Most bytes that wait (`64MiB`), by `Message.size`.
        """
        super().__init__(name, store_of(name, capacity, capacity_bytes))


def store_of(name: str, capacity: int, capacity_bytes: object) -> Store:
    """An empty store with these bounds.

    Raises:
        FlowError: It could never hold anything.
    """
    if capacity < 1:
        raise FlowError(f"expected capacity >= 1, got {capacity}")
    return Store(name, capacity, parse_size(capacity_bytes))
