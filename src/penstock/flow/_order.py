"""What order a stage keeps: that of the messages as they came, or that within each key."""

from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Literal, Protocol

from penstock.base import Value
from penstock.flow._message import Message

HandOn = Callable[[list[Message[Any]]], Awaitable[None]]


class Key(Value):
    """Says which messages must follow one another."""

    function: Callable[[Any], Hashable]


def key(function: Callable[[Any], Hashable]) -> Key:
    """For `order=`: messages of one key are worked on one after the other, in the order they came.

    Those of other keys go on meanwhile. A message in backoff keeps its followers waiting; they count
    against the stage's capacity. One that is dead lettered lets them pass.

    Args:
        function: From the payload to anything hashable; called on the loop, so it must not block. A
            payload for which it raises is dead lettered.
    """
    return Key(function)


Order = Literal["none", "input"] | Key


class OrderKeeper(Protocol):
    """Decides which message may be worked on, and which results may leave."""

    waiting: int
    """Messages that are held here, neither in the channel nor at work."""
    left: list[Message[Any]]
    """Messages that are to be handed back to the source; whoever sees them takes them out."""

    @property
    def full(self) -> bool:
        """Whether nothing new may enter now."""
        ...

    def enter(self, message: Message[Any]) -> bool:
        """Whether a message may be worked on now; if not, it is kept, and a `release` will give it."""
        ...

    async def release(
        self, message: Message[Any], made: list[Message[Any]], hand_on: HandOn
    ) -> Message[Any] | None:
        """Say what was made of a message (nothing frees its place), and hand on what may leave now.

        Returns:
            A message that may be worked on from now on.
        """
        ...

    def leave(self, message: Message[Any]) -> None:
        """The message is handed back to the source; those that must not pass it are `left` too."""
        ...


class InputOrder(OrderKeeper):
    """A window over the messages of one stage, numbered as they entered.

    It holds at most `window` places: a stage whose head is that far behind takes nothing new.
    """

    def __init__(self, window: int) -> None:
        self.waiting = 0
        self.left = []
        self._window = window
        self._entered = 0
        self._expected = 0
        self._done: dict[int, list[Message[Any]]] = {}
        self._releasing = False

    @property
    def full(self) -> bool:
        return self._entered - self._expected >= self._window

    def enter(self, message: Message[Any]) -> bool:
        message.annotate().place = self._entered
        self._entered += 1
        return True

    async def release(
        self, message: Message[Any], made: list[Message[Any]], hand_on: HandOn
    ) -> Message[Any] | None:
        # Only one caller at a time hands on; it also takes what the others bring meanwhile.
        self._done[message.annotate().place] = made
        if self._releasing:
            return None
        self._releasing = True
        try:
            while self._expected in self._done:
                released = self._done.pop(self._expected)
                if released:
                    await hand_on(released)
                self._expected += 1
        finally:
            self._releasing = False
        return None

    def leave(self, message: Message[Any]) -> None:
        """What comes after it may pass: the source gives it again, and the window is over then."""


class KeyOrder(OrderKeeper):
    """One message of a key at a time; the others of that key wait behind it."""

    def __init__(self, function: Callable[[Any], Hashable]) -> None:
        self.waiting = 0
        self.left = []
        self._function = function
        self._keys: dict[Message[Any], Hashable] = {}
        self._followers: dict[Hashable, deque[Message[Any]]] = {}
        self._closed: set[Hashable] = set()

    @property
    def full(self) -> bool:
        return False

    def enter(self, message: Message[Any]) -> bool:
        key = self._function(message.payload)
        if key in self._closed:
            self.left.append(message)
            return False
        followers = self._followers.get(key)
        if followers is not None:
            followers.append(message)
            self.waiting += 1
            return False
        self._followers[key] = deque()
        self._keys[message] = key
        return True

    async def release(
        self, message: Message[Any], made: list[Message[Any]], hand_on: HandOn
    ) -> Message[Any] | None:
        if made:
            await hand_on(made)
        if message not in self._keys:
            return None
        key = self._keys.pop(message)
        followers = self._followers[key]
        if not followers:
            del self._followers[key]
            return None
        follower = followers.popleft()
        self._keys[follower] = key
        self.waiting -= 1
        return follower

    def leave(self, message: Message[Any]) -> None:
        key = self._keys.pop(message)
        followers = self._followers.pop(key)
        self._closed.add(key)
        self.waiting -= len(followers)
        self.left.extend(followers)


def keeper_of(order: Order, window: int) -> OrderKeeper | None:
    """What keeps that order in a stage of that capacity; nothing where none is to be kept."""
    if isinstance(order, Key):
        return KeyOrder(order.function)
    return InputOrder(window) if order == "input" else None
