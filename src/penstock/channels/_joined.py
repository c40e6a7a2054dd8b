"""A channel that another process keeps, as it looks from here."""

import socket
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from penstock.channels._errors import ChannelLostError
from penstock.channels._link import LARGE, Link, from_wire, to_wire
from penstock.channels._store import ChannelStatistics, Depot, Entry, Held
from penstock.channels._waiting import Line
from penstock.flow import ChannelClosedError

_PATIENCE_S = 60.0
_LOOK_S = 0.02
_HEARD = 4096


class Joined(Depot):
    """Asks the keeper, one question at a time, and hears its bell in a thread."""

    def __init__(self, address: Path, wait: float) -> None:
        """Connect, within `wait` seconds.

        Raises:
            ChannelLostError: Nobody keeps a channel there.
        """
        self._address = str(address)
        self.lock = threading.RLock()
        self.readers, self.writers, self.finishers = Line(), Line(), Line()
        self._ended = self._lost = False
        self._sock = _connected(self._address, wait)
        self._link = Link(self._sock)
        self._bell, theirs = socket.socketpair()
        with theirs:
            socket.send_fds(self._sock, [b"!"], [theirs.fileno()])
        self._thread = threading.Thread(
            target=self._hear_bell, name=f"{address.name}/bell", daemon=True
        )
        self._thread.start()

    @property
    def ended(self) -> bool:
        return self._ended

    def put(self, entries: Sequence[Entry]) -> int:
        with self.lock:
            # A large payload is not sent in vain.
            if sum(map(_weight, entries)) >= LARGE:
                entries = entries[:1]
                if not self._ask("room", entries[0].size):
                    return 0
            entered = self._ask("put", to_wire(entries))
        if entered == "closed":
            raise ChannelClosedError(self._address)
        return int(entered)

    def get(self, limit: int) -> list[Held]:
        with self.lock:
            numbers, told, self._ended = self._ask("get", limit)
            return list(zip(numbers, from_wire(told), strict=True))

    def settle(self, numbers: Sequence[int]) -> None:
        self._ask("settle", list(numbers))

    def hand_back(self, numbers: Sequence[int], *, attempted: bool) -> None:
        self._ask("hand_back", list(numbers), attempted)

    def settled(self) -> bool:
        return bool(self._ask("settled"))

    def close(self) -> None:
        self._ask("close")

    def statistics(self) -> ChannelStatistics:
        return ChannelStatistics(**self._ask("statistics"))

    def leave(self) -> None:
        """Let go of the connection, and wake whoever waits in vain."""
        self._link.interrupt()
        self._bell.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        with self.lock:
            self._link.close()
        self._bell.close()

    def abandon(self) -> None:
        """Let go of the copies of its sockets that a fork made; the connection is the parent's."""
        self._sock.close()
        self._bell.close()

    def _ask(self, verb: str, *given: Any) -> Any:
        with self.lock:
            if self._lost:
                raise ChannelLostError(
                    self._address, "it was left, a question was interrupted, or its keeper ended"
                )
            # Until the answer is here, half a question or half an answer is under way, also after a Ctrl-C:
            # nothing more can be said then, and the keeper must hear that nobody listens.
            self._lost = True
            try:
                self._link.tell((verb, given))
                answer = self._link.hear()
                self._lost = False
            except (OSError, EOFError) as error:
                raise ChannelLostError(self._address, f"{type(error).__name__}: {error}") from error
            finally:
                if self._lost:
                    self._link.interrupt()
            return answer

    def _hear_bell(self) -> None:
        """Let everyone here look again whenever it rings, and a last time when nobody can ring it any more."""
        heard = True
        while heard:
            heard = bool(self._bell.recv(_HEARD))
            with self.lock:
                for line in (self.readers, self.writers, self.finishers):
                    line.wake_all()


class Forked(Depot):
    """What the copy of a channel in a forked process stands on: nothing."""

    def __init__(self, address: str) -> None:
        self._address = address
        self.lock = threading.RLock()
        self.readers, self.writers, self.finishers = Line(), Line(), Line()

    @property
    def ended(self) -> bool:
        raise self._error()

    def put(self, entries: Sequence[Entry]) -> int:
        raise self._error()

    def get(self, limit: int) -> list[Held]:
        raise self._error()

    def settle(self, numbers: Sequence[int]) -> None:
        raise self._error()

    def hand_back(self, numbers: Sequence[int], *, attempted: bool) -> None:
        raise self._error()

    def settled(self) -> bool:
        raise self._error()

    def close(self) -> None:
        raise self._error()

    def statistics(self) -> ChannelStatistics:
        raise self._error()

    def _error(self) -> ChannelLostError:
        return ChannelLostError(self._address, "it is the parent's of this fork; join it here")


def _weight(entry: Entry) -> int:
    return sum(map(len, entry.payload))


def _connected(address: str, wait: float) -> socket.socket:
    end = time.monotonic() + wait
    while True:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.connect(address)
        except OSError as error:
            sock.close()
            if time.monotonic() >= end:
                raise ChannelLostError(address, error.strerror or str(error)) from error
            time.sleep(_LOOK_S)
        else:
            sock.settimeout(_PATIENCE_S)
            return sock
