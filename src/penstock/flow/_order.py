"""Results in the order of the messages, while new work keeps starting behind a slow head."""

from collections.abc import Awaitable, Callable
from typing import Any

from penstock.flow._message import Message


class Reorder:
    """A window over the messages of one stage, numbered as they entered.

    It holds at most `window` places: a stage whose head is that far behind takes nothing new.
    """

    def __init__(self, window: int) -> None:
        self._window = window
        self._entered = 0
        self._expected = 0
        self._done: dict[int, list[Message[Any]]] = {}
        self._releasing = False

    @property
    def full(self) -> bool:
        """Whether nothing new may enter until the head is done."""
        return self._entered - self._expected >= self._window

    def enter(self) -> int:
        """The place of a message that is being taken."""
        self._entered += 1
        return self._entered - 1

    async def release(
        self,
        place: int,
        made: list[Message[Any]],
        hand_on: Callable[[list[Message[Any]]], Awaitable[None]],
    ) -> None:
        """Say what was made at `place` (nothing frees it), and hand on what may leave now, in order.

        Only one caller at a time hands on; it also takes what the others bring meanwhile.
        """
        self._done[place] = made
        if self._releasing:
            return
        self._releasing = True
        try:
            while self._expected in self._done:
                released = self._done.pop(self._expected)
                if released:
                    await hand_on(released)
                self._expected += 1
        finally:
            self._releasing = False
