"""From a file as it is stored to the bytes of its lines, checked to the last checksum."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from gzip import BadGzipFile
from pathlib import PurePosixPath
from typing import BinaryIO, Literal, Protocol, cast

from isal.igzip import _IGzipReader as GzipReader
from isal.igzip_lib import IsalError

from penstock.ingest._errors import CorruptFileError, FileError
from penstock.ingest._zstd import zstd

Compression = Literal["gzip", "zstd", "none", "auto"]
"""How source files are compressed; `auto` goes by the name."""

# IGzipFile.readinto makes a fresh copy of all data before Python 3.12; the reader inside does not.
_GZIP_BUFFER = 128 * 1024
_GZIP_MAGIC = b"\x1f\x8b"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_ZSTD_SKIPPABLE = b"\x2a\x4d\x18"  # behind a byte from 50 to 5f
_SUFFIXES: dict[str, Literal["gzip", "zstd"]] = {".gz": "gzip", ".zst": "zstd", ".zstd": "zstd"}


class ByteReader(Protocol):
    """Where decompressed bytes come from."""

    def readinto(self, buffer: memoryview, /) -> int | None:
        """Fill some of `buffer`; 0 or None at the end.

        Raises:
            CorruptFileError: The stored bytes are at fault.
        """
        ...


def open_plain(stored: BinaryIO, name: str, compression: Compression) -> ByteReader:
    """Read a file's bytes as they were before they were compressed.

    The first bytes decide where they are those of gzip or zstd, whatever the name says. A file
    that should be compressed and starts as neither is corrupt; a file of 0 bytes is just empty.
    gzip files may have several members and zeros behind the last, zstd files several frames.

    Args:
        stored: The file from its start. Its own errors pass through unchanged.
        name: Decides for `auto`: `.gz`, `.zst`, or plain.
        compression: As configured.

    Raises:
        CorruptFileError: It is not compressed, but should be.
    """
    magic = _first(stored, 4)
    whole = io.BufferedReader(_Prefixed(magic, stored), _GZIP_BUFFER)
    if magic.startswith(_GZIP_MAGIC):
        return _Checked(GzipReader(whole, _GZIP_BUFFER))
    if magic == _ZSTD_MAGIC or (magic[1:] == _ZSTD_SKIPPABLE and magic[0] >> 4 == 5):
        return _Checked(zstd.ZstdFile(whole))
    expected = _SUFFIXES.get(PurePosixPath(name).suffix, "none")
    if compression != "auto":
        expected = compression
    if expected != "none" and magic:
        raise CorruptFileError(
            FileError.NOT_COMPRESSED, f"expected {expected} data, but it starts with {magic!r}"
        )
    return whole


def _first(stored: BinaryIO, count: int) -> bytes:
    found = b""
    while len(found) < count:
        more = stored.read(count - len(found))
        if not more:
            break
        found += more
    return found


class _Prefixed(io.RawIOBase):
    """A stream whose first bytes were already read."""

    def __init__(self, prefix: bytes, rest: BinaryIO) -> None:
        self._prefix = prefix
        self._rest = cast("ByteReader", rest)  # what is opened in binary has `readinto`

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]  # any buffer
        if not self._prefix:
            return self._rest.readinto(buffer) or 0
        piece = self._prefix[: len(buffer)]
        self._prefix = self._prefix[len(piece) :]
        buffer[: len(piece)] = piece
        return len(piece)


class _Checked:
    """A decompressor whose complaints are ours."""

    def __init__(self, reader: ByteReader) -> None:
        self._reader = reader

    def readinto(self, buffer: memoryview, /) -> int | None:
        with _translated():
            return self._reader.readinto(buffer)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except EOFError as error:
        raise CorruptFileError(FileError.TRUNCATED, str(error)) from error
    except BadGzipFile as error:
        raise CorruptFileError(_gzip_fault(str(error)), str(error)) from error
    except IsalError as error:  # type: ignore[misc]  # its stub declares a value, not a class
        raise CorruptFileError(FileError.DAMAGED, str(error)) from error
    except zstd.ZstdError as error:
        checksum = "checksum" in str(error).lower()
        kind = FileError.CHECKSUM if checksum else FileError.DAMAGED
        raise CorruptFileError(kind, str(error)) from error


def _gzip_fault(message: str) -> FileError:
    if message.startswith(("CRC check", "Incorrect length")):
        return FileError.CHECKSUM
    return FileError.TRUNCATED if message.startswith("Not a gzipped") else FileError.DAMAGED
