"""The channel between processes of one machine."""

import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from weakref import WeakSet

from penstock.base import parse_duration
from penstock.channels._errors import ChannelLostError, PayloadError
from penstock.channels._joined import Forked, Joined
from penstock.channels._keeper import Keeper
from penstock.channels._link import pack, unpack
from penstock.channels._shared import SharedChannel
from penstock.channels._store import Depot, Entry, Store
from penstock.channels._thread import store_of
from penstock.flow import Message

T = TypeVar("T")
_OPEN: "WeakSet[ProcessChannel[Any]]" = WeakSet()
"""Those of this process, for a fork to find."""


class ProcessChannel(SharedChannel[T]):
    """A bounded channel in the memory of one process, which keeps it, and which others join.

    A reader that dies, of whatever, gives back what it had in hand, as one attempt more; so nothing
    is lost but with the keeper itself, and each message is given at least once. Payloads travel as
    pickles, large ones through shared memory without a name: nothing is left behind, whoever dies.
    Only processes of the same user can join. Leave it by `with`.

    One process says `ProcessChannel.keep("run/pages.sock")`, the others `ProcessChannel.join(...)`;
    each may write and read, from any thread and event loop. Where messages must outlive the processes,
    put the bucket of a board there instead. A process that was forked from one of them joins anew.
    """

    def __init__(self, name: str, depot: Depot, end: Keeper | Joined) -> None:
        """What `keep` and `join` make."""
        super().__init__(name, depot)
        self._keeps = isinstance(depot, Store)
        self._end = end
        self._left = False
        _OPEN.add(self)

    @classmethod
    def keep(
        cls, address: str | Path, *, capacity: int = 1024, capacity_bytes: object = "64MiB"
    ) -> Self:
        """Make an empty channel that lies in this process.

        Args:
            address: A path for its socket, in a directory that is there; at most some 100 characters.
            capacity: Most messages that wait, at least 1.
            capacity_bytes: Most bytes that wait (`64MiB`), by `Message.size`.

        Raises:
            ChannelTakenError: The address cannot be used.
        """
        path = Path(address)
        store = store_of(str(path), capacity, capacity_bytes)
        return cls(str(path), store, Keeper(path, store))

    @classmethod
    def join(cls, address: str | Path, *, wait: object = "10s") -> Self:
        """Reach a channel that another process keeps; blocks until it is there.

        Args:
            address: As the keeper said.
            wait: Longest time until somebody keeps it.

        Raises:
            ChannelLostError: Nobody did in that time.
        """
        joined = Joined(Path(address), parse_duration(wait).total_seconds())
        return cls(str(address), joined, joined)

    def leave(self) -> None:
        """Give back what is in hand, as not attempted; with the keeper goes what waits. Safe to call twice."""
        if not self._left:
            self._left = True
            with suppress(ChannelLostError):
                self.hand_back(list(self._hands), attempted=False)
            if self._keeps:
                self.close()
            self._end.leave()
            _OPEN.discard(self)

    def _abandon(self) -> None:
        """What a fork does to the child's copy: it is of no use there, and holds nothing of the parent's."""
        self._left = True
        self._end.abandon()
        self._depot = Forked(self.name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.leave()

    def _packed(self, message: Message[T]) -> Entry:
        try:
            parts = pack(message.payload)
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
            raise PayloadError(self.name, message.id, why) from error
        if self._keeps:
            # The writer may go on to change its own.
            parts = [parts[0], *map(bytearray, parts[1:])]
        return Entry(parts, message.id, 1, message.size)

    def _payload(self, entry: Entry) -> Any:
        parts = entry.payload
        if self._keeps:
            # What a reader changes is not what comes again.
            parts = [parts[0], *map(bytearray, parts[1:])]
        try:
            return unpack(parts)
        except Exception as error:
            raise PayloadError(self.name, entry.id, f"{type(error).__name__}: {error}") from error


def _abandon_all() -> None:
    for channel in list(_OPEN):
        channel._abandon()  # noqa: SLF001 - of the class above
    _OPEN.clear()


# Else a child would keep a connection from ending with its parent, and nobody would hear of that death.
os.register_at_fork(after_in_child=_abandon_all)
