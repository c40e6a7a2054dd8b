"""What a user writes about a table, and about what may not enter it."""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType

from pydantic import Field, model_validator

from penstock.base import Config, Duration, Size, TextOptions
from penstock.ingest._location_config import Location
from penstock.ingest._plan import DictionaryUse, IntegerEncoding


class Codec(StrEnum):
    """How the pages of a Parquet file are packed."""

    ZSTD = "zstd"
    SNAPPY = "snappy"
    GZIP = "gzip"
    LZ4 = "lz4"
    UNCOMPRESSED = "uncompressed"


_LEVELS: Mapping[Codec, range] = MappingProxyType(
    {Codec.ZSTD: range(-7, 23), Codec.GZIP: range(1, 10)}
)


class BadLines(StrEnum):
    """What a line that cannot be decoded costs."""

    ROW = "row"
    """Itself: the other lines of its file become rows."""
    FILE = "file"
    """The whole file, which then gives no row."""


class SinkConfig(Config):
    """The Delta table that the rows go to, and the size of its files."""

    table_uri: Location
    """A directory, or `s3://bucket/prefix`; the table is created when it is not there."""

    compression: Codec = Codec.ZSTD
    """Codec of the Parquet files: `zstd`, `snappy`, `gzip`, `lz4` (which Trino cannot read) or `uncompressed`."""

    compression_level: int | None = None
    """-7 (fast) to 22 (small) for `zstd`, 1 to 9 for `gzip`; by default 1 and 9. The other codecs have none."""

    dictionary: DictionaryUse = DictionaryUse.SAMPLED
    """Columns with a dictionary: `sampled` (those whose dictionary takes at most a tenth of the room of their values in the file's first row group), `strings`, `none` or `all`."""

    integer_encoding: IntegerEncoding = IntegerEncoding.PLAIN
    """How integers, dates and timestamps without a dictionary are written: `plain`, or `delta` (DELTA_BINARY_PACKED), which old readers refuse."""

    file_size_mb: int = Field(default=128, ge=1, le=65_536)
    """A Parquet file is closed after the row group that takes it past this many MiB; a plan fills several side by side if each has a quarter of this, packed, to read."""

    row_group_rows: int = Field(default=131_072, ge=1, le=100_000_000)
    """Rows per row group of a Parquet file; a reader skips, and holds in memory, whole row groups."""

    max_concurrent_uploads: int = Field(default=4, ge=1, le=256)
    """How many Parquet files of one pipeline are uploaded at a time."""

    storage_options: TextOptions = Field(default_factory=dict)
    """Options of the object store."""

    @model_validator(mode="after")
    def _no_idle_option(self) -> "SinkConfig":
        """What would change nothing was meant to change something."""
        levels = _LEVELS.get(self.compression, range(0))
        if self.compression_level is not None and self.compression_level not in levels:
            way_out = f"write {levels.start} to {levels.stop - 1}" if levels else "leave it out"
            raise ValueError(
                f"{self.compression.value} has no compression_level {self.compression_level}; {way_out}"
            )
        delta = self.integer_encoding is IntegerEncoding.DELTA
        if delta and self.dictionary is DictionaryUse.ALL:
            raise ValueError(
                "with dictionary: all no column is left for integer_encoding: delta; "
                "write dictionary: strings or sampled, or leave integer_encoding out"
            )
        return self


class PlanConfig(Config):
    """When found files become a plan, which is one commit: latency against the size of files.

    A plan is made as soon as one of the limits is reached. Parquet files never span plans.
    """

    max_files: int = Field(default=1000, ge=1, le=100_000)
    """Source files in a plan, at most."""

    max_bytes: Size = Field(default=2 * 1024**3, ge=1)
    """Bytes of source files in a plan, as stored; one larger file is a plan by itself."""

    max_age: Duration = timedelta(seconds=30)
    """How long a found file waits for company; 0 plans at once, and so does `--once`."""


class ErrorHandlingConfig(Config):
    """What happens to lines and files that cannot be read."""

    dlq_path: Location | None = None
    """Where dead letters are kept; by default `_penstock/<pipeline>/dlq` under the table, whose users may read it."""

    dlq_storage_options: TextOptions = Field(default_factory=dict)
    """Options of the object store of `dlq_path`."""

    max_failures: int = Field(default=0, ge=0)
    """Stop with exit code 3 when this many lines and files are dead since the start; 0 sets no limit."""

    bad_lines: BadLines = BadLines.ROW
    """What a bad line costs: `row`, or the whole `file`."""
