"""One planned file, from its stored bytes to its rows or to the reason why it has none."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, Literal, Protocol
from uuid import uuid4

import pyarrow as pa

from penstock.base import Value
from penstock.ingest._decoder import Chunk, Decoded, Decoder, LineError, RejectedLine
from penstock.ingest._decompress import Compression, open_plain
from penstock.ingest._errors import (
    CorruptFileError,
    FileChangedError,
    FileError,
    FileGoneError,
    FileUnavailableError,
)
from penstock.ingest._file_letters import FileLetters, describe
from penstock.ingest._parquet import LocalPart, RollingWriter
from penstock.ingest._plan import FileVersion, Plan
from penstock.ingest._reader import BLOCK_BYTES, Block, LineReader, LongLine
from penstock.ingest._seal import FileOutcome, FileState


class FileOpener(Protocol):
    """Opens planned files; the only way by which this part of ingestion meets a store."""

    def open_file(self, file: FileVersion) -> AbstractContextManager[BinaryIO]:
        """The stored bytes of exactly this version, from the start. Called from many threads.

        Raises:
            FileGoneError: It is no longer there.
            FileChangedError: It is another version now; may also be raised while it is read.
            FileUnavailableError: The store is at fault, and retries are spent; likewise.
        """
        ...


class DecodeSettings(Value):
    """How files are read."""

    compression: Compression = "auto"
    """As configured for the source."""

    bad_lines: Literal["row", "file"] = "row"
    """What a bad line costs."""

    max_line_bytes: int = 64 * 1024 * 1024
    """Longest line; the decoder's own limit is the same."""

    block_bytes: int = BLOCK_BYTES
    """Bytes of lines that become one batch."""


class DecodedFile(Value):
    """What one planned file came to. Whoever holds this merges it or closes it."""

    outcome: FileOutcome
    """Its end, as the seal will have it."""

    batches: tuple[pa.RecordBatch, ...]
    """Its rows, where they fit the spill limit."""

    parts: tuple[LocalPart, ...]
    """Its rows, where they do not: finished outputs of its own."""

    letters: BinaryIO
    """Its encoded dead letters, one per line, from the start."""

    letter_count: int
    """How many."""

    plain_bytes: int
    """Bytes of it after decompression."""

    def close(self) -> None:
        """Remove what it holds on the disk. Safe to call twice."""
        self.letters.close()
        for part in self.parts:
            part.path.unlink(missing_ok=True)


def decode_file(
    file: FileVersion,
    *,
    plan: Plan,
    opener: FileOpener,
    decoder: Decoder,
    settings: DecodeSettings,
    directory: Path,
) -> DecodedFile:
    """Read one planned file to its last byte and checksum, or give none of its rows.

    Args:
        file: One of the plan's files.
        plan: Gives the writer settings, and the names in dead letters.
        opener: Where its bytes come from.
        decoder: Shared by all files.
        settings: How it is read.
        directory: Where outputs may be written; local, and used by nobody else.

    Raises:
        OSError: The local disk is at fault. Nothing of the file is left in `directory`.
    """
    work = _FileWork(file, plan, decoder, settings, directory)
    try:
        with opener.open_file(file) as stored:
            work.read(stored)
        return work.finish()
    except FileGoneError:
        return work.without_rows(FileState.GONE, "gone")
    except FileChangedError:
        return work.without_rows(FileState.CHANGED, "changed")
    except FileUnavailableError:
        return work.without_rows(FileState.RETURNED, "unavailable")
    except CorruptFileError as error:
        return work.dead(error)
    except BaseException:
        work.abort()
        raise


class _FileWork:
    """The state of one file while it is read."""

    def __init__(
        self,
        file: FileVersion,
        plan: Plan,
        decoder: Decoder,
        settings: DecodeSettings,
        directory: Path,
    ) -> None:
        self._file = file
        self._plan = plan
        self._decoder = decoder
        self._settings = settings
        self._letters = FileLetters(file, plan, directory)
        self._rows = _Rows(directory, decoder.schema, plan)
        self._line = 1
        self._end = 0
        self._unknown = 0

    def read(self, stored: BinaryIO) -> None:
        plain = open_plain(stored, self._file.name, self._settings.compression)
        for piece in LineReader(plain, self._settings.max_line_bytes, self._settings.block_bytes):
            if isinstance(piece, LongLine):
                self._take_long(piece)
            else:
                self._take(piece)

    def _take(self, block: Block) -> None:
        done = 0
        while done < len(block.data):
            done += self._take_some(block.data[done:], block.offset + done)
        self._end = block.offset + done

    def _take_some(self, data: memoryview, offset: int) -> int:
        """Take what the decoder takes at once, and say how many bytes that was."""
        decoded = self._decoder.decode(Chunk(data, self._line, offset))
        self._refuse_bad_lines(decoded)
        for bad in decoded.rejected:
            start = bad.offset - offset
            self._letters.add_line(bad, bytes(data[start : start + bad.length]))
        self._rows.add(decoded.batch)
        self._line += decoded.lines
        self._unknown += decoded.unknown_fields
        return decoded.size

    def _take_long(self, line: LongLine) -> None:
        limit = self._settings.max_line_bytes
        bad = RejectedLine(self._line, line.offset, line.length, LineError.TOO_LONG, "", limit)
        self._refuse_bad_line(bad)
        self._letters.add_line(bad, line.head)
        self._line += 1
        self._end = line.offset + line.length + 1

    def _refuse_bad_lines(self, decoded: Decoded) -> None:
        if decoded.rejected:
            self._refuse_bad_line(decoded.rejected[0])

    def _refuse_bad_line(self, bad: RejectedLine) -> None:
        if self._settings.bad_lines == "file":
            raise CorruptFileError(FileError.BAD_LINE, describe(bad))

    def finish(self) -> DecodedFile:
        batches, parts = self._rows.finish()
        outcome = FileOutcome(
            state=FileState.ROWS,
            rows=self._rows.count,
            dead_lines=self._letters.count,
            unknown_fields=self._unknown,
        )
        return self._decoded(outcome, batches, parts)

    def dead(self, error: CorruptFileError) -> DecodedFile:
        self._rows.abort()
        self._letters.clear()
        self._letters.add_file(error)
        return self._decoded(FileOutcome(state=FileState.DEAD, error=error.error), (), ())

    def without_rows(self, state: FileState, error: str) -> DecodedFile:
        self._rows.abort()
        self._letters.clear()
        return self._decoded(FileOutcome(state=state, error=error), (), ())

    def abort(self) -> None:
        self._rows.abort()
        self._letters.close()

    def _decoded(
        self,
        outcome: FileOutcome,
        batches: tuple[pa.RecordBatch, ...],
        parts: tuple[LocalPart, ...],
    ) -> DecodedFile:
        return DecodedFile(
            outcome=outcome,
            batches=batches,
            parts=parts,
            letters=self._letters.rewound(),
            letter_count=self._letters.count,
            plain_bytes=self._end,
        )


class _Rows:
    """Holds a file's batches up to the spill limit, and writes outputs of its own beyond it."""

    def __init__(self, directory: Path, schema: pa.Schema, plan: Plan) -> None:
        self._limit = plan.writer.spill_limit
        self._writer = RollingWriter(lambda: fresh_path(directory), schema, plan.writer)
        self._batches: list[pa.RecordBatch] = []
        self._held_bytes = 0
        self._spilled = False
        self.count = 0

    def add(self, batch: pa.RecordBatch) -> None:
        self.count += batch.num_rows
        if self._spilled:
            self._writer.write(batch)
            return
        if batch.num_rows:
            self._batches.append(batch)
            self._held_bytes += batch.get_total_buffer_size()
        if self._held_bytes > self._limit:
            self._spilled = True
            while self._batches:
                self._writer.write(self._batches.pop(0))

    def finish(self) -> tuple[tuple[pa.RecordBatch, ...], tuple[LocalPart, ...]]:
        return tuple(self._batches), tuple(self._writer.finish())

    def abort(self) -> None:
        self._batches.clear()
        self._writer.abort()
        self.count = 0


def fresh_path(directory: Path) -> Path:
    """A path below `directory` that nothing has."""
    return directory / f"{uuid4().hex}.parquet"
