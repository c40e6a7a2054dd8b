"""The process that keeps a channel: others reach its store over a socket, each by a link of its own."""

import fcntl
import os
import selectors
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from msgspec.structs import asdict

from penstock.channels._errors import ChannelTakenError
from penstock.channels._link import Link, from_wire, of_this_user, to_wire
from penstock.channels._store import Store
from penstock.channels._waiting import Line, Turn
from penstock.flow import ChannelClosedError

_BACKLOG = 64


class Keeper:
    """Listens at an address, and serves everyone who joins in a thread of their own."""

    def __init__(self, address: Path, store: Store) -> None:
        """Listen.

        Raises:
            ChannelTakenError: The address cannot be listened on.
        """
        # The program may change its directory before it leaves.
        self._address = address.absolute()
        self._store = store
        self._guests: dict[Guest, threading.Thread] = {}
        self._lock = threading.Lock()
        self._sock, self._inode = _listen(address)
        self._stopped, self._stop = socket.socketpair()
        self._thread = threading.Thread(
            target=self._accept, name=f"{address.name}/accept", daemon=True
        )
        self._thread.start()

    def leave(self) -> None:
        """Let go of everyone, and of the address; what they had in hand goes back into the store."""
        self._stop.close()
        self._thread.join()
        self._stopped.close()
        self._sock.close()
        _remove(self._address, self._inode)
        with self._lock:
            guests = dict(self._guests)
        for guest, thread in guests.items():
            guest.interrupt()
            thread.join()

    def abandon(self) -> None:
        """Let go of the copies of its sockets that a fork made; the channel is the parent's."""
        for sock in (self._sock, self._stop, self._stopped):
            sock.close()
        for guest in self._guests:
            guest.abandon()

    def _accept(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._sock, selectors.EVENT_READ)
            selector.register(self._stopped, selectors.EVENT_READ)
            while all(key.fileobj is not self._stopped for key, _ in selector.select()):
                try:
                    sock, _ = self._sock.accept()
                except OSError:
                    continue  # it is gone already, or there are no descriptors left for it
                if of_this_user(sock, os.getuid()):
                    self._welcome(sock)
                else:
                    sock.close()

    def _welcome(self, sock: socket.socket) -> None:
        guest = Guest(sock, self._store)
        name = f"{self._address.name}/guest"
        thread = threading.Thread(target=self._serve, args=(guest,), name=name, daemon=True)
        with self._lock:
            self._guests[guest] = thread
        thread.start()

    def _serve(self, guest: "Guest") -> None:
        try:
            guest.serve()
        finally:
            with self._lock:
                del self._guests[guest]


class Guest:
    """One who has joined, as the keeper sees it: its questions, and what it has in hand."""

    def __init__(self, sock: socket.socket, store: Store) -> None:
        self._sock = sock
        self._store = store
        self._link = Link(sock)
        self._hands: set[int] = set()
        self._bell: Bell | None = None
        self._verbs: dict[str, Callable[..., Any]] = {
            "put": self._put,
            "room": self._room,
            "get": self._get,
            "settle": self._settle,
            "settled": self._settled,
            "hand_back": self._hand_back,
            "close": store.close,
            "statistics": lambda: asdict(store.statistics()),
        }

    def interrupt(self) -> None:
        """Make `serve` return."""
        self._link.interrupt()

    def abandon(self) -> None:
        """Let go of the copies of its sockets that a fork made."""
        self._sock.close()
        if self._bell is not None:
            self._bell.close()

    def serve(self) -> None:
        """Answer until the other end is gone, however it went; then what it had in hand comes again."""
        try:
            [bell] = socket.recv_fds(self._sock, 1, 1)[1]
            self._bell = Bell(socket.socket(fileno=bell))
            while True:
                verb, given = self._link.hear()
                self._link.tell(self._verbs[verb](*given))
        except (EOFError, OSError, ValueError):
            return
        finally:
            self._store.hand_back(list(self._hands), attempted=True)
            if self._bell is not None:
                self._bell.close()
            self._link.close()

    def _put(self, told: list[Any]) -> int | str:
        with self._store.lock:
            try:
                entered = self._store.put(from_wire(told))
            except ChannelClosedError:
                return "closed"
            if entered < len(told):
                self._wait_in(self._store.far_writers)
            return entered

    def _room(self, size: int) -> bool:
        with self._store.lock:
            there = self._store.closed or self._store.has_room(size)
            if not there:
                self._wait_in(self._store.far_writers)
            return there

    def _get(self, limit: int) -> tuple[list[int], list[Any], bool]:
        with self._store.lock:
            held = self._store.get(limit)
            self._hands.update(number for number, _ in held)
            if not held:
                self._wait_in(self._store.far_readers)
            entries = [entry for _, entry in held]
            return [number for number, _ in held], to_wire(entries), self._store.ended

    def _settle(self, numbers: list[int]) -> None:
        self._hands.difference_update(numbers)
        self._store.settle(numbers)

    def _hand_back(self, numbers: list[int], attempted: bool) -> None:  # noqa: FBT001 - as it was sent
        self._hands.difference_update(numbers)
        self._store.hand_back(numbers, attempted=attempted)

    def _settled(self) -> bool:
        with self._store.lock:
            settled = self._store.settled()
            if not settled:
                self._wait_in(self._store.far_finishers)
            return settled

    def _wait_in(self, line: Line) -> None:
        if self._bell is not None:
            line.leave(self._bell)
            line.join(self._bell, first=False)


class Bell(Turn):
    """Rings in the process of a guest when it should look again."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._sock.settimeout(0)

    def wake(self) -> bool:
        try:
            self._sock.send(b"!")
        except BlockingIOError:
            return True  # it has not heard the last ones yet, and will look
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Ring no more."""
        self._sock.close()


def _listen(address: Path) -> tuple[socket.socket, int]:
    """A socket at that address, for this user alone, and its inode."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _alone(address.parent):
            if address.is_socket() and not _answers(address):
                address.unlink()  # of a process that was killed
            sock.bind(str(address))
            address.chmod(0o600)
            sock.listen(_BACKLOG)
            return sock, address.stat().st_ino
    except OSError as error:
        sock.close()
        why = error.strerror or str(error)
        if address.exists():
            why = f"{why}: another process keeps one there, or it is another file; join it, or give another address"
        raise ChannelTakenError(str(address), why) from error


def _answers(address: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(address))
        except ConnectionRefusedError:
            return False
    return True


def _remove(address: Path, inode: int) -> None:
    """Remove our address, unless it has become that of another."""
    with suppress(FileNotFoundError), _alone(address.parent):
        if address.stat().st_ino == inode:
            address.unlink()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """No other process takes or leaves an address in this directory meanwhile."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
