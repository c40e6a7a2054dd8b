"""The plan: what goes into the table next, decided once and written down before any work."""

from datetime import datetime
from enum import StrEnum

from penstock.base import Record


class DictionaryUse(StrEnum):
    """Which columns of a Parquet file hold each value once and refer to it by number."""

    STRINGS = "strings"
    """Text, JSON text excepted."""
    SAMPLED = "sampled"
    """Those that repeat themselves in the first row group of their file."""
    NONE = "none"
    ALL = "all"
    """All but booleans, which Parquet packs into bits."""


class IntegerEncoding(StrEnum):
    """How integers, dates and timestamps without a dictionary are written."""

    PLAIN = "plain"
    """As they are, 4 or 8 bytes each."""
    DELTA = "delta"
    """As differences from the value before, in as few bits as they need: DELTA_BINARY_PACKED."""


class FileVersion(Record):
    """One source file as it was when it was planned."""

    source: str
    """The source's key in its pipeline."""

    name: str
    """Path below the source's root, with `/`; it is taken once per source."""

    size: int
    """Bytes as stored, compressed."""

    version: str
    """Etag, generation, or inode and mtime of a local file; only ever compared for equality."""


class WriterSettings(Record):
    """All that decides the bytes of an output, so that repeated work gives the same file."""

    codec: str
    """Parquet codec: `zstd`, `snappy`, `gzip`, `lz4` or `uncompressed`."""

    file_size: int
    """An output is closed after the batch that takes it past this many bytes."""

    row_group_rows: int
    """Rows per row group."""

    spill_limit: int
    """A file with more decoded bytes than this gets outputs of its own."""

    # Plans of the first version lack the keys below; the defaults say how those were written.

    compression_level: int | None = None
    """Of the codec; None is 1 for zstd and the library's own for the others."""

    dictionary: DictionaryUse = DictionaryUse.STRINGS
    """Which columns get a dictionary."""

    integer_encoding: IntegerEncoding = IntegerEncoding.PLAIN
    """How integers, dates and timestamps without a dictionary are written."""

    strands: int = 1
    """Outputs that are filled side by side, each with the rows of the files that `deal` gives it."""


class Plan(Record, kw_only=True):
    """A batch of source files; immutable once it is written."""

    format: int = 1
    """Version of this record."""

    pipeline: str
    """The pipeline's key."""

    seq: int
    """Dense, from 1, per pipeline."""

    lane: str
    """The application id under which the commit is recorded in the table."""

    table_id: str
    """Id of the table that the plan was made for."""

    schema_id: str
    """Digest of the declared schema."""

    planned_at: datetime
    """When; the only time that may appear in data."""

    files: tuple[FileVersion, ...]
    """In the order in which they are read, and written within a strand."""

    writer: WriterSettings
    """How outputs are written."""
