"""The port of a channel whose readers say what became of what they got."""

from collections.abc import Sequence
from typing import Protocol, TypeVar, runtime_checkable

from penstock.flow import Channel, Message

T = TypeVar("T")


@runtime_checkable
class SettlingChannel(Channel[T], Protocol[T]):
    """A channel that remembers what was got until it is settled or handed back.

    What is in hand does not keep the stream from ending: `get` says so once the channel is closed and
    nothing waits, for a batch may wait for the end before it is done. What is handed back after that
    is there for whoever asks again.
    """

    def settle(self, messages: Sequence[Message[T]]) -> None:
        """All work on these messages, which were got here, is done: they never come again."""
        ...

    def hand_back(self, messages: Sequence[Message[T]], *, attempted: bool = True) -> None:
        """These messages, which were got here, are not done: they come again, before all others.

        They come in the order in which they were got, and are admitted whatever the capacity.

        Args:
            messages: In any order.
            attempted: Whether an attempt was made: it is counted by `Message.attempt`.
        """
        ...
