"""Frames between a flow and its worker processes: pickles over a socket, large ones in shared memory.

Shared memory has no name here: a frame over 256 KiB lies in an unlinked file whose descriptor
travels with the header, so the kernel frees it when the last process lets go, however that dies.
A few such files are kept and used again by each end of a connection, see `Segments`.
"""

import array
import mmap
import os
import pickle
import socket
import struct
import sys
from collections.abc import Callable
from typing import Any

from penstock.process._segments import Lent, Segment, Segments, open_shared

SHARED_FROM = 256 * 1024
_HEADER = struct.Struct("<HHIIQ")
_INLINE, _ONCE, _NEW, _KNOWN = range(4)
"""Where the body is: behind the header, in memory of its own, in a segment that comes with it, in one known."""
_LENGTH = struct.Struct("<Q")
_CLOEXEC = socket.MSG_CMSG_CLOEXEC if sys.platform == "linux" else 0
_FD_SPACE = socket.CMSG_SPACE(4 * struct.calcsize("i"))

Loads = Callable[[memoryview, list[memoryview]], Any]


def plain_loads(data: memoryview, buffers: list[memoryview]) -> Any:
    """Unpickle, from a process that we started ourselves."""
    return pickle.loads(data, buffers=buffers)  # noqa: S301 - the other end is our own worker


class Frame:
    """One object, ready to be sent: header and body, and a descriptor where the body is shared."""

    __slots__ = ("_rest", "_segment", "handle", "size")

    def __init__(self, value: Any, segments: Segments | None = None, requests: int = 1) -> None:
        """Pickle `value`, into one of the `segments` if it is large; raises what pickling raises.

        `requests` is for the other end to know, also where it cannot unpickle the value.
        """
        buffers: list[pickle.PickleBuffer] = []
        body = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
        self.handle = -1
        self._segment: Segment | None = None
        if not buffers and len(body) < SHARED_FROM:
            self.size = len(body)
            self._rest = memoryview(_HEADER.pack(_INLINE, 0, 0, requests, len(body)) + body)
            return
        raws = [buffer.raw() for buffer in buffers]
        lengths = [_LENGTH.pack(len(raw)) for raw in raws]
        parts: list[bytes | memoryview] = [*lengths, body, *raws]
        self.size = total = sum(len(part) for part in parts)
        if total < SHARED_FROM:
            header = _HEADER.pack(_INLINE, 0, len(raws), requests, total)
            self._rest = memoryview(b"".join([header, *parts]))
        elif segments is not None and (segment := segments.find(total)) is not None:
            kind = _NEW if segment.handle >= 0 else _KNOWN
            self._rest = memoryview(_HEADER.pack(kind, segment.number, len(raws), requests, total))
            self._segment = segment
            self.handle = segment.handle
            segment.write(parts)
        else:
            self._rest = memoryview(_HEADER.pack(_ONCE, 0, len(raws), requests, total))
            self.handle = open_shared(total)
            with open(self.handle, "wb", buffering=0, closefd=False) as file:
                for part in parts:
                    _write_all(file.write, part)

    def send(self, sock: socket.socket) -> bool:
        """Send as much as the socket takes now, the descriptor with the first byte; whether that was all."""
        if self.handle < 0:
            sent = sock.send(self._rest)
        else:
            rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [self.handle]))
            sent = sock.sendmsg([self._rest], [rights])
            self._let_go()
        self._rest = self._rest[sent:]
        return not self._rest

    def close(self) -> None:
        """Let go of what it holds: it was not sent, or not as a whole."""
        if self._segment is not None:
            self._segment.give_back()
        self._let_go()

    def _let_go(self) -> None:
        if self.handle >= 0 and self._segment is not None:
            self._segment.told()
        elif self.handle >= 0:
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
        # Room for the largest frame that comes whole, and for as much again of the next.
        self._data = memoryview(bytearray(2 * SHARED_FROM))
        self._start = self._end = 0
        self.size = self.requests = 0
        """Bytes of the last object, and the requests that it is."""
        self._handles: list[int] = []
        self._lent = Lent()

    def receive(self, sock: socket.socket) -> bool:
        """Read once; False at the end of the stream."""
        if self._start:
            rest = self._end - self._start
            self._data[:rest] = self._data[self._start : self._end]
            self._start, self._end = 0, rest
        count, ancillary, _, _ = sock.recvmsg_into([self._data[self._end :]], _FD_SPACE, _CLOEXEC)
        for level, kind, content in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                handles = array.array("i")
                handles.frombytes(content[: len(content) - len(content) % handles.itemsize])
                self._handles.extend(handles)
        self._end += count
        return count > 0

    def next(self) -> tuple[bool, Any]:
        """Whether a whole frame is there, and its object; what unpickling raises, and then the next frame."""
        start = self._start + _HEADER.size
        if self._end < start:
            return False, None
        kind, number, count, requests, total = _HEADER.unpack_from(self._data, self._start)
        if kind != _INLINE:
            self._start, self.size, self.requests = start, total, requests
            return True, self._decode(self._shared(kind, number, total), count)
        if self._end < start + total:
            return False, None
        self._start, self.size, self.requests = start + total, total, requests
        body = self._data[start : self._start]
        # Buffers live as long as the object that is made of them; all else is copied while it is read.
        return True, self._decode(memoryview(bytes(body)) if count else body, count)

    def _shared(self, kind: int, number: int, total: int) -> memoryview:
        if kind == _ONCE:
            return _mapped(self._handles.pop(0), total)
        if kind == _NEW:
            self._lent.learn(number, self._handles.pop(0))
        return self._lent.content(number, total)

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
        self._lent.close()
        while self._handles:
            os.close(self._handles.pop())


def _mapped(handle: int, size: int) -> memoryview:
    try:
        return memoryview(mmap.mmap(handle, size))
    finally:
        os.close(handle)


def send_blocking(sock: socket.socket, frame: Frame) -> None:
    """Send the whole frame, waiting as long as it takes."""
    while not frame.send(sock):
        pass


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
