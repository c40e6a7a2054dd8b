"""What a channel does in the same way wherever its messages lie: it waits, on a loop or in a thread."""

import os
import time
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, TypeVar

from penstock.base import parse_duration
from penstock.channels._port import SettlingChannel
from penstock.channels._store import ChannelStatistics, Depot, Entry
from penstock.channels._waiting import Line, LoopTurn, ThreadTurn, Turn
from penstock.flow import FlowError, Message

T = TypeVar("T")


class SharedChannel(SettlingChannel[T]):
    """A channel over a depot, for all threads and event loops of a process at once.

    A message is kept as it was put: what a writer or a reader does with its `Message` changes nothing
    here. Whoever waits first is served first.
    """

    def __init__(self, name: str, depot: Depot) -> None:
        self.name = name
        self._depot = depot
        self._numbers = count(1)
        self._hands: dict[Message[T], int] = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    async def put(self, message: Message[T]) -> None:
        entries = [self._packed(message)]
        await self._on_loop(self._depot.writers, lambda: self._depot.put(entries) > 0)

    def put_nowait(self, message: Message[T]) -> bool:
        return self.put_many_nowait([message]) > 0

    def put_many_nowait(self, messages: Sequence[Message[T]]) -> int:
        """Put as many of the messages as there is room for, in their order; returns how many."""
        return self._depot.put([self._packed(message) for message in messages])

    async def get(self) -> Message[T] | None:
        found: list[Message[T]] = []
        await self._on_loop(self._depot.readers, lambda: self._take(found))
        return found[0] if found else None

    def get_nowait(self) -> Message[T] | None:
        found = self.get_many_nowait(1)
        return found[0] if found else None

    def get_many_nowait(self, limit: int) -> list[Message[T]]:
        """Up to `limit` messages that are there."""
        with self._depot.lock:
            held = self._depot.get(limit)
            messages: list[Message[T]] = []
            for place, (number, entry) in enumerate(held):
                try:
                    message = self._unpacked(entry)
                except Exception:
                    # The last first: each goes before all others.
                    self._depot.hand_back([one for one, _ in held[place + 1 :]], attempted=False)
                    self._depot.hand_back([number], attempted=True)
                    if messages:
                        break  # it stands first now, and the next call says so
                    raise
                self._hands[message] = number
                messages.append(message)
            return messages

    def send(self, payload: T, *, timeout: object = None) -> None:
        """Put a payload from plain code, in any thread, waiting for room.

        Args:
            payload: Becomes the payload of a new message.
            timeout: Longest wait (`30s`); None waits for ever.

        Raises:
            TimeoutError: There was no room in that time; nothing was put.
            ChannelClosedError: The channel is closed.
        """
        message = Message(payload, f"{os.getpid()}-{next(self._numbers)}")
        entries = [self._packed(message)]
        self._in_thread(
            self._depot.writers, lambda: self._depot.put(entries) > 0, timeout, "had no room"
        )

    def receive(self, *, timeout: object = None) -> Message[T] | None:
        """The next message, to be settled or handed back, from plain code in any thread; None at the end.

        Args:
            timeout: Longest wait (`30s`); None waits for ever.

        Raises:
            TimeoutError: None came in that time.
        """
        found: list[Message[T]] = []
        self._in_thread(self._depot.readers, lambda: self._take(found), timeout, "gave no message")
        return found[0] if found else None

    def settle(self, messages: Sequence[Message[T]]) -> None:
        self._depot.settle(self._let_go(messages))

    def hand_back(self, messages: Sequence[Message[T]], *, attempted: bool = True) -> None:
        self._depot.hand_back(self._let_go(messages), attempted=attempted)

    def close(self) -> None:
        self._depot.close()

    def wait_settled(self, *, timeout: object = None) -> None:
        """Wait in a thread until nothing waits and nothing is in hand: all that was put is done.

        Args:
            timeout: Longest wait (`30s`); None waits for ever.

        Raises:
            TimeoutError: It was not, in that time.
        """
        self._in_thread(self._depot.finishers, self._depot.settled, timeout, "was not settled")

    def statistics(self) -> ChannelStatistics:
        """A frozen picture of now."""
        return self._depot.statistics()

    def _packed(self, message: Message[T]) -> Entry:
        # The attempts of whoever wrote it are not those of whoever will read it.
        return Entry(message.payload, message.id, 1, message.size)

    def _payload(self, entry: Entry) -> Any:
        return entry.payload

    def _unpacked(self, entry: Entry) -> Message[T]:
        message: Message[T] = Message(self._payload(entry), entry.id)
        message.size = entry.size
        if entry.attempt > 1:
            message.annotate().attempt = entry.attempt
        return message

    def _let_go(self, messages: Sequence[Message[T]]) -> list[int]:
        with self._depot.lock:
            strange = [message for message in messages if message not in self._hands]
            if strange or len(set(messages)) < len(messages):
                raise FlowError(
                    f"channel {self.name!r} was told of messages that are not in hand "
                    f"({[message.id for message in strange or messages][:5]}); "
                    "each is settled or handed back once, where it was got"
                )
            return [self._hands.pop(message) for message in messages]

    def _take(self, found: list[Message[T]]) -> bool:
        found += self.get_many_nowait(1)
        return bool(found) or self._depot.ended

    async def _on_loop(self, line: Line, attempt: Callable[[], bool]) -> None:
        again = False
        while True:
            with self._depot.lock:
                if attempt():
                    return
                turn = LoopTurn()
                line.join(turn, first=again)
            again = True
            try:
                await turn.wait()
            except BaseException:
                self._give_up(line, turn)
                raise

    def _in_thread(
        self, line: Line, attempt: Callable[[], bool], timeout: object, problem: str
    ) -> None:
        seconds = None if timeout is None else parse_duration(timeout).total_seconds()
        end = None if seconds is None else time.monotonic() + seconds
        again = False
        while True:
            with self._depot.lock:
                if attempt():
                    return
                turn = ThreadTurn()
                line.join(turn, first=again)
            again = True
            woken = False
            try:
                woken = turn.wait(None if end is None else max(end - time.monotonic(), 0.0))
            finally:
                if not woken:
                    self._give_up(line, turn)
            if not woken:
                raise TimeoutError(
                    f"channel {self.name!r} {problem} for {seconds:g} s; is somebody at work on the other end?"
                )

    def _give_up(self, line: Line, turn: Turn) -> None:
        """It was interrupted; if it was woken all the same, that is for the next."""
        with self._depot.lock:
            if not line.leave(turn):
                line.wake_one()
