"""One conversation between a process that uses a channel and the one that keeps it: question, answer."""

import pickle
import socket
import struct
import sys
from collections.abc import Sequence
from typing import Any

from penstock.channels._store import Entry
from penstock.process import (
    SHARED_FROM,
    Frame,
    FrameReader,
    Segments,
    receive_blocking,
    send_blocking,
)

_CREDENTIALS = struct.Struct("3i")
_BESIDE = 16 * 1024
"""Bytes from which a part of a payload is not copied into the frame's own pickle."""
LARGE = SHARED_FROM
"""Bytes of a payload from which there is asked for room before it is sent."""


class Link:
    """One end. Frames over 256 KiB lie in shared memory, which is used again."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._reader = FrameReader()
        self._segments = Segments()

    def tell(self, value: Any) -> None:
        """Send it.

        Raises:
            OSError: The other end is gone.
        """
        send_blocking(self._sock, Frame(value, self._segments))

    def hear(self) -> Any:
        """What the other end says next.

        Raises:
            EOFError: It is gone.
            OSError: It is gone, or says nothing.
        """
        return receive_blocking(self._sock, self._reader)

    def interrupt(self) -> None:
        """Let whoever listens hear the end, on both sides."""
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # the other end was quicker

    def close(self) -> None:
        """Let go of what it holds; nobody uses it any more."""
        self._sock.close()
        self._reader.close()
        self._segments.close()


Parts = Sequence[bytes | bytearray | memoryview]
"""A pickle, and the buffers that it leaves out."""


def pack(payload: Any) -> list[bytes | bytearray | memoryview]:
    """The payload in parts; the buffers are the payload's own memory."""
    buffers: list[pickle.PickleBuffer] = []
    body = pickle.dumps(payload, protocol=5, buffer_callback=buffers.append)
    return [body, *(buffer.raw() for buffer in buffers)]


def unpack(parts: Parts) -> Any:
    """The payload of these parts, which are its memory from now on."""
    return pickle.loads(parts[0], buffers=parts[1:])  # noqa: S301 - of processes of the same user


def to_wire(entries: Sequence[Entry]) -> list[tuple[Any, ...]]:
    """Entries as they travel: large parts beside the pickle of the frame."""
    return [
        (
            entry.id,
            entry.attempt,
            entry.size,
            [
                bytes(part) if len(part) < _BESIDE else pickle.PickleBuffer(part)
                for part in entry.payload
            ],
        )
        for entry in entries
    ]


def from_wire(told: Sequence[tuple[Any, ...]]) -> list[Entry]:
    """The entries that were sent."""
    return [Entry(parts, identity, attempt, size) for identity, attempt, size, parts in told]


def of_this_user(sock: socket.socket, user: int) -> bool:
    """Whether the other end is a process of that user, as far as the system tells."""
    if sys.platform != "linux":
        return True  # the mode of the address keeps others out
    told = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return bool(_CREDENTIALS.unpack(told)[1] == user)
