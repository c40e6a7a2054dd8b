"""Archives that are read once, from their first byte to their last, with one copy of what they hold."""

import io
import tarfile
from typing import Any

_SKIPPED = 1 << 18


class Forward(io.RawIOBase):
    """A stream that `tarfile` takes for a file, though it can only go on: from a pipe, say.

    The streams of `tarfile` itself copy each byte three times more.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def read(self, size: int = -1, /) -> bytes:
        data: bytes = self._stream.read(size)
        self._position += len(data)
        return data

    def readinto(self, buffer: Any, /) -> int:
        count: int = self._stream.readinto(buffer)
        self._position += count
        return count

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Skip what lies between; the end of the stream is as far as it goes.

        Raises:
            io.UnsupportedOperation: Back, or not counted from the start.
        """
        if whence != io.SEEK_SET or offset < self._position:
            raise io.UnsupportedOperation("the archive is read once, from front to back")
        while self._position < offset:
            if not self.read(min(offset - self._position, _SKIPPED)):
                break
        return self._position


class Body:
    """What a plain member of a tar archive holds, at which `stream` stands."""

    def __init__(self, stream: Forward, size: int) -> None:
        self._stream = stream
        self._left = size

    def readinto(self, buffer: memoryview) -> int:
        """Fill as much as there is; 0 at the end.

        Raises:
            tarfile.ReadError: The archive ends before the member does.
        """
        count = self._stream.readinto(buffer[: self._left]) if self._left else 0
        if not count and self._left:
            raise tarfile.ReadError("unexpected end of data")
        self._left -= count
        return count
