"""Dead letters: what gave no row, with its place, its reason and its bytes."""

import base64
import binascii
import hashlib
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from penstock.base import Record, RecordError, Value
from penstock.ingest._zstd import zstd


class DeadLetter(Record, kw_only=True):
    """One line, or one whole file, that gave no row. Format 1."""

    v: int = 1
    """Version of this record."""

    id: str
    """Unique, and the same whenever the same work is repeated."""

    at: datetime
    """When its plan was made: the only time that repeated work agrees on."""

    pipeline: str
    """The pipeline's key."""

    lane: str
    """Of its plan."""

    seq: int
    """Of its plan."""

    stage: str
    """`read` for a whole file, `decode` for a line."""

    error_class: str
    """The stable word: a `FileError` or a `LineError`."""

    message: str
    """The same for people."""

    column: str = ""
    """Dotted path of the column at fault; empty where there is none."""

    source: str
    """The source's key."""

    name: str
    """The file's path below the source's root."""

    version: str
    """The file's etag, generation, or inode and time."""

    line: int = 0
    """Number in the file, from 1; 0 for a whole file."""

    offset: int = 0
    """Where the line starts in the decompressed file, in bytes."""

    length: int = 0
    """Bytes of the line without its newline; stored bytes of a whole file."""

    position: int = 0
    """Where in the line the fault was noticed, in bytes from 0."""

    payload: str = ""
    """The line, where it is UTF-8."""

    payload_b64: str = ""
    """The line in base64, where it is not."""

    complete: bool = True
    """Whether the payload is the whole line; false for a line over the limit, and for a file."""

    @property
    def raw(self) -> bytes:
        """The line's bytes as they stood in the file, as far as they were kept.

        Raises:
            RecordError: The record was damaged.
        """
        try:
            return base64.b64decode(self.payload_b64, validate=True) or self.payload.encode()
        except binascii.Error as error:
            raise RecordError(f"the payload of dead letter {self.id} is not base64") from error


def payload_of(raw: bytes) -> tuple[str, str]:
    """What a dead letter holds of a line: as text if it is UTF-8, else in base64."""
    try:
        return raw.decode(), ""
    except UnicodeDecodeError:
        return "", base64.b64encode(raw).decode()


class LocalDeadLetters(Value):
    """A finished dead-letter file that nobody else knows of yet."""

    path: Path
    """Where it lies; whoever holds this removes it."""

    size: int
    """Bytes."""

    sha256: str
    """Of its content, in hexadecimal."""

    letters: int
    """Never 0."""


class DeadLetterWriter:
    """Gathers encoded letters into one file: NDJSON compressed with zstd; equal input, equal bytes."""

    def __init__(self, path: Path) -> None:
        """Write to `path`, which is made when the first letter comes."""
        self._path = path
        self._file: zstd.ZstdFile | None = None
        self._letters = 0

    def append(self, lines: BinaryIO, letters: int) -> None:
        """Copy `letters` encoded letters, each ended by a newline."""
        if not letters:
            return
        if self._file is None:
            self._file = zstd.ZstdFile(self._path, "xb")
        shutil.copyfileobj(lines, self._file)
        self._letters += letters

    def finish(self) -> LocalDeadLetters | None:
        """Close; None where no letter came."""
        if self._file is None:
            return None
        self._file.close()
        with self._path.open("rb") as stored:
            digest = hashlib.file_digest(stored, "sha256").hexdigest()
        return LocalDeadLetters(self._path, self._path.stat().st_size, digest, self._letters)

    def abort(self) -> None:
        """Remove the file. Safe to call twice."""
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
            self._path.unlink(missing_ok=True)


def read_dead_letters(stored: BinaryIO, *, place: str) -> Iterator[DeadLetter]:
    """The letters of one file, in the order in which they were written.

    Args:
        stored: The file from its start.
        place: Where it is kept, for errors.

    Raises:
        RecordError: It is damaged, or a newer version wrote it.
    """
    lines: Iterable[bytes] = zstd.ZstdFile(stored)
    try:
        for number, line in enumerate(lines, 1):
            yield DeadLetter.decode(line, place=f"{place}, line {number},")
    except (EOFError, zstd.ZstdError) as error:
        raise RecordError(f"{place} is damaged: {error}; take it from a backup") from error
