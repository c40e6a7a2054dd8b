"""Frames between a flow and its worker processes: pickles over a socket, large ones in shared memory.

Shared memory has no name here: a frame over 256 KiB lies in an unlinked file whose descriptor
travels with the header, so the kernel frees it when the last process lets go, however that dies.
"""

import array
import mmap
import os
import pickle
import socket
import struct
import sys
import tempfile
from collections.abc import Callable
from typing import Any

SHARED_FROM = 256 * 1024
_HEADER = struct.Struct("<IIQ")
_LENGTH = struct.Struct("<Q")
_CLOEXEC = socket.MSG_CMSG_CLOEXEC if sys.platform == "linux" else 0
_READ = 1 << 18
_FD_SPACE = socket.CMSG_SPACE(4 * struct.calcsize("i"))

Loads = Callable[[memoryview, list[memoryview]], Any]


def plain_loads(data: memoryview, buffers: list[memoryview]) -> Any:
    """Unpickle, from a process that we started ourselves."""
    return pickle.loads(data, buffers=buffers)  # noqa: S301 - the other end is our own worker


def open_shared(size: int) -> int:
    """A descriptor of unnamed shared memory of that size."""
    if sys.platform == "linux":
        handle = os.memfd_create("penstock", os.MFD_CLOEXEC)
    else:
        with tempfile.TemporaryFile() as file:
            handle = os.dup(file.fileno())
    os.ftruncate(handle, size)
    return handle


class Frame:
    """One object, ready to be sent: header and body, and a descriptor where the body is shared."""

    __slots__ = ("data", "handle")

    def __init__(self, value: Any) -> None:
        """Pickle `value`; raises what pickling raises."""
        buffers: list[pickle.PickleBuffer] = []
        body = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
        raws = [buffer.raw() for buffer in buffers]
        lengths = [_LENGTH.pack(len(raw)) for raw in raws]
        parts: list[bytes | memoryview] = [*lengths, body, *raws]
        total = sum(len(part) for part in parts)
        self.handle = -1
        if total < SHARED_FROM:
            self.data = b"".join([_HEADER.pack(0, len(raws), total), *parts])
            return
        self.data = _HEADER.pack(1, len(raws), total)
        self.handle = open_shared(total)
        with open(self.handle, "wb", buffering=0, closefd=False) as file:
            for part in parts:
                _write_all(file.write, part)

    def send(self, sock: socket.socket) -> int:
        """Send as much as the socket takes now, the descriptor with the first byte; returns how much."""
        if self.handle < 0:
            return sock.send(self.data)
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [self.handle]))
        sent = sock.sendmsg([self.data], [rights])
        self.close()
        return sent

    def close(self) -> None:
        """Let go of the descriptor; it was sent, or will not be."""
        if self.handle >= 0:
            os.close(self.handle)
            self.handle = -1


def _write_all(write: Callable[[memoryview], int | None], part: bytes | memoryview) -> None:
    rest = memoryview(part)
    while rest:
        rest = rest[write(rest) or 0 :]


class FrameReader:
    """Puts frames together from what the socket gives."""

    def __init__(self, loads: Loads = plain_loads) -> None:
        self._loads = loads
        self._data = bytearray()
        self._handles: list[int] = []

    def receive(self, sock: socket.socket) -> bool:
        """Read once; False at the end of the stream."""
        data, ancillary, _, _ = sock.recvmsg(_READ, _FD_SPACE, _CLOEXEC)
        for level, kind, content in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                handles = array.array("i")
                handles.frombytes(content[: len(content) - len(content) % handles.itemsize])
                self._handles.extend(handles)
        self._data += data
        return bool(data)

    def next(self) -> tuple[bool, Any]:
        """Whether a whole frame is there, and its object."""
        if len(self._data) < _HEADER.size:
            return False, None
        shared, count, total = _HEADER.unpack_from(self._data)
        if shared:
            del self._data[: _HEADER.size]
            return True, self._decode(_mapped(self._handles.pop(0), total), count)
        end = _HEADER.size + total
        if len(self._data) < end:
            return False, None
        body = bytes(memoryview(self._data)[_HEADER.size : end])
        del self._data[:end]
        return True, self._decode(memoryview(body), count)

    def _decode(self, body: memoryview, count: int) -> Any:
        table = count * _LENGTH.size
        lengths = [_LENGTH.unpack_from(body, place * _LENGTH.size)[0] for place in range(count)]
        end = len(body) - sum(lengths)
        buffers, start = [], end
        for length in lengths:
            buffers.append(body[start : start + length])
            start += length
        return self._loads(body[table:end], buffers)

    def close(self) -> None:
        """Let go of descriptors that were never used."""
        while self._handles:
            os.close(self._handles.pop())


def _mapped(handle: int, size: int) -> memoryview:
    try:
        return memoryview(mmap.mmap(handle, size))
    finally:
        os.close(handle)


def send_blocking(sock: socket.socket, frame: Frame) -> None:
    """Send the whole frame, waiting as long as it takes."""
    sent = frame.send(sock)
    sock.sendall(memoryview(frame.data)[sent:])


def receive_blocking(sock: socket.socket, reader: FrameReader) -> Any:
    """The next object.

    Raises:
        EOFError: The other end is gone.
    """
    while True:
        complete, value = reader.next()
        if complete:
            return value
        if not reader.receive(sock):
            raise EOFError
