"""From a stream of bytes to blocks of whole lines, in memory that does not grow with the file."""

from collections.abc import Iterator

from penstock.base import Value
from penstock.ingest._decompress import ByteReader

BLOCK_BYTES = 2 * 1024 * 1024
"""Bytes of a block, unless one line is longer: what one decoded batch still fits the cache with."""

_HEAD_BYTES = 1024


class Block(Value):
    """Whole lines; only the last block of a file may lack its last newline."""

    data: memoryview
    """The bytes; valid until the next block is asked for."""

    offset: int
    """Where they start in the decompressed file."""


class LongLine(Value):
    """A line over the limit, read past without being held."""

    offset: int
    """Where it starts in the decompressed file."""

    length: int
    """Its length in bytes, without the newline."""

    head: bytes
    """Its first bytes, at most 1 KiB."""


class LineReader:
    """Cuts a stream into blocks of whole lines.

    The cuts depend on the bytes alone, never on how the stream hands them over, so that repeated
    work gives the same batches. One buffer serves for all blocks; it grows for a line longer than
    a block up to the limit, and shrinks again behind it.
    """

    def __init__(
        self, source: ByteReader, max_line_bytes: int, block_bytes: int = BLOCK_BYTES
    ) -> None:
        """Read from `source`.

        Args:
            source: Decompressed bytes.
            max_line_bytes: Longest line that is handed over, without its newline.
            block_bytes: Bytes of a block of shorter lines.
        """
        self._source = source
        self._limit = max_line_bytes
        self._block_bytes = block_bytes
        self._buffer = bytearray(block_bytes)
        self._filled = 0
        self._offset = 0

    def __iter__(self) -> Iterator[Block | LongLine]:
        """All of the file, in order; what was yielded before may not be used any more.

        Raises:
            CorruptFileError: The stored bytes are at fault. What was yielded must not be used.
        """
        searched = 0
        while self._fill():
            end = self._buffer.rfind(b"\n", searched, self._filled) + 1
            if end:
                yield self._block(end)
                self._drop(end)
                searched = 0
            elif self._filled > self._limit:
                yield self._skip()
                searched = 0
            else:
                searched = self._filled
                self._grow()
        if self._filled:
            yield from self._last(searched)

    def _fill(self) -> bool:
        """Fill the buffer; whether it is full, so that there may be more."""
        with memoryview(self._buffer) as view:
            while self._filled < len(view):
                got = self._source.readinto(view[self._filled :])
                if not got:
                    return False
                self._filled += got
        return True

    def _last(self, searched: int) -> Iterator[Block | LongLine]:
        """What stands in the buffer at the end of the file."""
        end = self._buffer.rfind(b"\n", searched, self._filled) + 1
        if self._filled - end <= self._limit:
            yield self._block(self._filled)
            return
        if end:
            yield self._block(end)
            self._drop(end)
        yield self._skip()
        if self._filled:
            yield from self._last(0)

    def _block(self, end: int) -> Block:
        return Block(memoryview(self._buffer)[:end], self._offset)

    def _drop(self, end: int) -> None:
        """Forget the first bytes; a large buffer is given back with them."""
        rest = self._buffer[end : self._filled]
        size = max(self._block_bytes, len(rest))
        if size != len(self._buffer):
            self._buffer = bytearray(size)
        self._buffer[: len(rest)] = rest
        self._filled = len(rest)
        self._offset += end

    def _grow(self) -> None:
        larger = bytearray(min(2 * len(self._buffer), max(self._limit + 1, len(self._buffer) + 1)))
        larger[: self._filled] = self._buffer[: self._filled]
        self._buffer = larger

    def _skip(self) -> LongLine:
        """Read past the line at the start of the buffer, which is over the limit."""
        start, head = self._offset, bytes(self._buffer[: min(self._filled, _HEAD_BYTES)])
        while True:
            end = self._buffer.find(b"\n", 0, self._filled)
            if end >= 0:
                length = self._offset + end - start
                self._drop(end + 1)
                return LongLine(start, length, head)
            self._drop(self._filled)
            if not self._fill() and not self._filled:
                return LongLine(start, self._offset - start, head)
