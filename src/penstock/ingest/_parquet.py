"""Record batches in, finished Parquet files on the local disk out."""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from io import BufferedWriter, FileIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from penstock.base import Value
from penstock.files import begin_writeback
from penstock.ingest._encodings import encodings
from penstock.ingest._plan import WriterSettings
from penstock.ingest._statistics import delta_stats

_MAX_GROUP_BYTES = 32 * 1024 * 1024
"""Rows of a group are held until it is written, so they count for the peak of memory."""
_CODECS = {"zstd": "zstd", "snappy": "snappy", "gzip": "gzip", "lz4": "lz4", "uncompressed": "none"}
_LEVELS = {"zstd": 1}  # a third smaller than snappy for 4 % more CPU time; level 3 costs 20 % more


class LocalPart(Value):
    """A finished Parquet file that nobody else knows of yet."""

    path: Path
    """Where it lies; whoever holds this removes it."""

    size: int
    """Bytes."""

    sha256: str
    """Of its content, in hexadecimal."""

    rows: int
    """Never 0."""

    stats: str
    """Statistics as the Delta protocol's JSON."""


class RollingWriter:
    """Writes batches into Parquet files, one after the other.

    A file is closed behind the row group that takes it past `file_size`. Equal batches and
    settings give equal bytes. Not for two threads at once.
    """

    def __init__(
        self, open_path: Callable[[], Path], schema: pa.Schema, settings: WriterSettings
    ) -> None:
        """Write nothing yet.

        Args:
            open_path: Names the next file to write; it does not exist.
            schema: Of every batch.
            settings: Codec, encodings, sizes.
        """
        self._open_path = open_path
        self._schema = schema
        self._settings = settings
        self._pending: list[pa.RecordBatch] = []
        self._pending_rows = 0
        self._pending_bytes = 0
        self._file: _OpenFile | None = None
        self._finished: list[LocalPart] = []

    def write(self, batch: pa.RecordBatch) -> None:
        """Take the rows of one batch; they are in a file after some later call at the latest."""
        # Not `nbytes` of each piece: that takes longer than all else here.
        held, rows = batch.get_total_buffer_size(), batch.num_rows
        while batch.num_rows:
            piece = batch.slice(0, self._settings.row_group_rows - self._pending_rows)
            batch = batch.slice(piece.num_rows)
            self._pending.append(piece)
            self._pending_rows += piece.num_rows
            self._pending_bytes += held * piece.num_rows // rows
            if (
                self._pending_rows >= self._settings.row_group_rows
                or self._pending_bytes >= _MAX_GROUP_BYTES
            ):
                self._write_group()

    def take_finished(self) -> list[LocalPart]:
        """The files closed since the last call, in the order in which they were written."""
        finished, self._finished = self._finished, []
        return finished

    def finish(self) -> list[LocalPart]:
        """Write what is left and close; the files not taken yet."""
        self._write_group()
        self._close_file()
        return self.take_finished()

    def abort(self) -> None:
        """Remove every file that was not taken. Safe to call twice, and after `finish`."""
        self._pending.clear()
        if self._file is not None:
            self._file.abort()
            self._file = None
        for part in self.take_finished():
            part.path.unlink(missing_ok=True)

    def _write_group(self) -> None:
        if not self._pending:
            return
        table = pa.Table.from_batches(self._pending, self._schema)
        self._pending.clear()
        self._pending_rows = self._pending_bytes = 0
        if self._file is None:
            self._file = _OpenFile(self._open_path(), table, self._settings)
        self._file.write(table)
        if self._file.size >= self._settings.file_size:
            self._close_file()

    def _close_file(self) -> None:
        if self._file is not None:
            self._finished.append(self._file.close())
            self._file = None


class _HashingWriter(BufferedWriter):
    """Knows the checksum of what was written, from the start to the end without a gap.

    A file that is read again for it would keep one thread busy when all others are done.
    """

    def __init__(self, file: FileIO) -> None:
        super().__init__(file)
        self._digest = hashlib.sha256()
        self._begun = 0

    def begin_writeback(self) -> None:
        """Let the system write to the disk what it has, while further rows are worked on.

        Whoever stores the file syncs it, and would else wait for all of its bytes: 18 ms for 25 MB.
        """
        self.flush()
        end = self.tell()
        begin_writeback(self.fileno(), self._begun, end - self._begun)
        self._begun = end

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def write(self, data: Any, /) -> int:
        self._digest.update(data)
        return super().write(data)


class _OpenFile:
    """One Parquet file while it is written."""

    def __init__(self, path: Path, first: pa.Table, settings: WriterSettings) -> None:
        """Write nothing yet; the rows of the `first` row group may decide the encodings of all."""
        self._path = path
        self._schema = first.schema
        level = settings.compression_level
        chosen = encodings(first, settings.dictionary, settings.integer_encoding)
        self._sink = _HashingWriter(FileIO(path, "xb"))
        self._writer = pq.ParquetWriter(
            self._sink,
            self._schema,
            compression=_CODECS[settings.codec],
            compression_level=_LEVELS.get(settings.codec) if level is None else level,
            use_dictionary=chosen.dictionary,
            column_encoding=chosen.other,
            max_rows_per_page=settings.row_group_rows if chosen.long_pages else None,
            version="2.6",
            store_schema=False,
        )

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return self._sink.tell()

    def write(self, table: pa.Table) -> None:
        self._writer.write_table(table, row_group_size=table.num_rows)
        self._sink.begin_writeback()

    def close(self) -> LocalPart:
        self._writer.close()
        self._sink.close()
        metadata = pq.read_metadata(self._path)
        return LocalPart(
            path=self._path,
            size=self._path.stat().st_size,
            sha256=self._sink.sha256,
            rows=metadata.num_rows,
            stats=delta_stats(metadata, self._schema),
        )

    def abort(self) -> None:
        """Remove the file; what its last bytes may raise on a full disk does not matter any more."""
        with suppress(OSError):
            self._writer.close()
        with suppress(OSError):
            self._sink.close()
        self._path.unlink(missing_ok=True)
