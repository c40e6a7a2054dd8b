"""The decoder port: whole lines and a schema in; record batches and rejected lines out."""

from enum import StrEnum
from typing import ClassVar, Literal, Protocol

import pyarrow as pa
from pydantic import Field

from penstock.base import Config, Size, Value


class LineError(StrEnum):
    """Why a line was rejected: the stable word to route on."""

    SYNTAX = "syntax"
    """Not JSON."""
    NOT_AN_OBJECT = "not-an-object"
    """JSON, but no object."""
    TRAILING = "trailing"
    """Something stands after the object, a second object included."""
    TYPE = "type"
    """A value of another type than its column's; a fraction, or a number in quotes, for an integer."""
    RANGE = "range"
    """A number, date or timestamp that its column cannot hold."""
    DUPLICATE_KEY = "duplicate-key"
    """A field of the schema twice in one object, however its name is escaped."""
    NULL = "null"
    """`null` in a column that is not nullable."""
    MISSING = "missing"
    """A column that is not nullable is not there."""
    UTF8 = "utf8"
    """Bytes that are not UTF-8."""
    ESCAPE = "escape"
    """An escape that JSON does not have, or half of a surrogate pair."""
    CONTROL_CHARACTER = "control-character"
    """A raw character below U+0020 inside a string."""
    NOT_A_NUMBER = "not-a-number"
    """NaN or an infinity."""
    BOM = "bom"
    """A byte order mark elsewhere than at the start of the file."""
    DEPTH = "depth"
    """Nested deeper than the limit."""
    TOO_LONG = "too-long"
    """Longer than the limit."""


class DecoderOptions(Config):
    """What a decoder lets through; the defaults are the strictest that real files live with."""

    max_depth: int = Field(default=200, ge=1)
    """Objects and arrays open at once, the row's own object included."""

    max_line_bytes: Size = Field(default=64 * 1024 * 1024, ge=1)
    """Longest line, in bytes without its newline."""

    finer_timestamps: Literal["refuse", "cut"] = "refuse"
    """What happens to digits of a timestamp finer than a microsecond that are not all zero."""

    epoch_timestamps: Literal[
        "refuse", "seconds", "milliseconds", "microseconds", "nanoseconds"
    ] = "refuse"
    """Whether a timestamp may be a number, and what it then counts since 1970 in UTC; it may have a fraction."""

    whole_fractions: Literal["refuse", "read"] = "refuse"
    """Whether an integer may have a fraction of zeros or an exponent: `1.0`, `1e3`."""

    quoted_numbers: Literal["refuse", "read"] = "refuse"
    """Whether the number in a column of numbers may stand in quotes: `"12"`."""

    not_a_number: Literal["refuse", "nullify"] = "refuse"
    """What happens to `NaN`, `Infinity` and `-Infinity` in a column of floats that is nullable."""

    duplicate_keys: Literal["refuse", "last"] = "refuse"
    """What happens to a field of the schema that an object has twice: the last value may count."""


class Chunk(Value):
    """Whole lines of one file, as they stand in its decompressed bytes.

    Only the last line of a file may lack its newline. Blank lines count as lines and hold no row.
    """

    data: bytes | bytearray | memoryview
    """The bytes; not changed while a decoder works on them, and not kept by it afterwards."""

    first_line: int
    """Number of the first line in the file, from 1."""

    offset: int
    """Where the chunk starts in the decompressed file, in bytes from 0."""


class RejectedLine(Value):
    """One line that gives no row."""

    line: int
    """Its number in the file, from 1."""

    offset: int
    """Where it starts in the decompressed file, in bytes from 0."""

    length: int
    """Its length in bytes, without the newline."""

    error: LineError
    """What is wrong: the first fault met when reading from left to right."""

    column: str
    """Dotted path of the schema's column at fault, such as `actor.id`; empty where none is."""

    position: int
    """Where in the line the fault was noticed, in bytes from 0; its length for a fault at its end."""


class Decoded(Value):
    """What one chunk holds, or the start of it where very many of its lines are bad.

    A rejected line takes a hundred times its bytes as an object. So that a chunk of one-byte lines
    needs no more memory than any other, decoding stops behind so many of them; see `size`.
    """

    MOST_REJECTED: ClassVar[int] = 16_384

    batch: pa.RecordBatch
    """The rows in the order of their lines, columns as in the schema; no row for a rejected line."""

    rejected: tuple[RejectedLine, ...]
    """In the order of the lines."""

    lines: int
    """Lines decoded, the blank and the rejected ones included."""

    unknown_fields: int
    """Keys of accepted lines that the schema does not have, at any depth; rescued ones too."""

    size: int
    """Bytes of the chunk that were decoded: all, or those up to the last rejected line if there are
    `MOST_REJECTED` of them; the rest of the chunk is then to be decoded by another call."""


class Decoder(Protocol):
    """Turns NDJSON into columns, strictly: a value is right, or its line is rejected.

    A bad line costs itself only. A decoder keeps nothing between two calls; several threads may
    use one at once. It never raises for what stands in the data.
    """

    @property
    def schema(self) -> pa.Schema:
        """The columns of every batch."""
        ...

    def decode(self, chunk: Chunk) -> Decoded:
        """Decode one chunk.

        Raises:
            MemoryError: There is no memory for the columns.
        """
        ...
