"""The reference decoder: strict, plain and slow. It is the executable form of this contract.

Reading. A line is read from left to right, and its first fault decides its error class, column
and position. The *column* is the innermost column of the schema whose value was being read, from
behind the colon to the value's last byte; a fault outside any has none, and list items have the
path of their list. A *position* counts bytes from the start of the line, a BOM included; a fault
at the end of the line stands at its length. A carriage return is white space, and part of the line.

| In the line | What comes of it |
| --- | --- |
| more bytes than `max_line_bytes`, even if blank | `too-long` at that limit; nothing else is looked at |
| EF BB BF at its start | skipped in the line at offset 0 of the file; `bom` at 0 in any other. Elsewhere it is as any character |
| nothing but spaces, tabs, carriage returns | no row, no fault |
| a value's first byte | `syntax` there if it starts none; `not-a-number` for `NaN`, `Infinity`, `-Infinity`. Literals are compared whole, and are `syntax` at their first byte otherwise |
| a value that is no object, at top | `not-an-object` at its first byte; the rest is not read |
| anything but white space after the object | `trailing` at its first byte |
| `null` | null; `null` at its first byte where the column is not nullable. A list's items may be null. In a json column it is null too |
| a value of another kind than its column's | `type` at its first byte; the rest is not read |
| an object or array that makes more than `max_depth` open at once | `depth` at its bracket; a `type` fault at the same place comes first |
| a number | read whole: `syntax` at the byte where a digit had to stand |
| fraction or exponent in an integer, `1.0` and `1e3` too | `type` at the number. `-0` is 0 |
| an integer beyond its column | `range` at the number |
| a number beyond float64 or float32 | `range`; what is too small is 0. Rounded once from the decimal digits, ties to even |
| any number in a json column or an unknown field | only its grammar is checked |
| a string | read whole: `control-character` at a byte below 20 hex; `utf8` at the first byte of the bad sequence; `escape` at the backslash of an escape that JSON does not have, of a high surrogate that no low one follows at once, and of a low one alone; `syntax` at the end of the line if that comes before the closing quote, also inside an escape |
| a timestamp | `YYYY-MM-DD`, or with `T` or one space `hh:mm:ss`, `.` and digits, and `Z` or `+hh:mm` or `-hh:mm`. No zone is UTC, no time is midnight. Another form is `type`; a day, hour, minute, second (60 too), zone or UTC result outside 0001 to 9999 that does not exist is `range` |
| digits finer than a microsecond | nothing if they are all 0; else `range`, or dropped with `finer_timestamps="cut"` |
| a date | `YYYY-MM-DD`; `type` and `range` as above |
| binary | base64 of RFC 4648: standard alphabet, padded, unused bits 0; else `type`. Empty text is empty |
| json | the value's text byte for byte, from its first to its last byte; checked, not changed |
| faults of a decoded string (time, date, binary) | stand at its opening quote |
| a number in a timestamp column, with `epoch_timestamps` | so many of the unit since 1970 in UTC; outside the years 0001 to 9999 `range`. Digits finer than a microsecond as above; cut means towards 1970 |
| fraction or exponent in an integer, with `whole_fractions="read"` | the value before the point is `range` if the column cannot hold it, else `type` if anything but 0 stands behind the point |
| a string in a column of numbers, with `quoted_numbers="read"` | its text, escapes replaced, is read like a number that stands alone; `type` at the quote if it is none, or there is more |
| `NaN`, `Infinity`, `-Infinity` in a nullable column of floats, with `not_a_number="nullify"` | null; a fault everywhere else |
| a key of the schema a second time in one object | `duplicate-key` at the key's opening quote, with the column's path. Compared after escapes. Keys the schema lacks may repeat, and so may all in json text and unknown fields |
| the same, with `duplicate_keys="last"` | every value is read, and the last counts; what was rescued or counted of those before stays |
| a key the schema lacks | its value is checked by the full grammar and dropped; counted if the line is accepted, in structs too, not inside json text or other unknown fields |
| a key the schema lacks, with a rescue column | the same, and key and value are rescued. A key of the rescue column's name is such a key |
| a `type` or `range` fault of a value, with a rescue column | the value is read as an unknown one is; then the column is null and key and value are rescued, if it is nullable; a list's items are |
| what was rescued | one JSON object per row, null if nothing was. It is shaped like the line: an object or list of the schema has a bracket there if something inside of it is rescued, and a list is an object whose keys are the items' numbers from 0. Order, keys and values are the line's, byte for byte; nothing stands between them |
| a column that is not nullable is not there | `missing` at the object's closing brace, with the path of the first one in the order of the schema. A struct that is null or absent needs no members |
"""

from collections.abc import Iterator

import pyarrow as pa

from penstock.base import Value
from penstock.ingest._columns import to_array
from penstock.ingest._decoder import Chunk, Decoded, DecoderOptions, LineError, RejectedLine
from penstock.ingest._json_walk import Kind, LineFaultError, kind_at, space_end
from penstock.ingest._readers import ObjectReader
from penstock.ingest._rescue import Rescued
from penstock.ingest._scalar_readers import Line
from penstock.ingest._schema_config import is_rescue

_BOM = b"\xef\xbb\xbf"


class ReferenceDecoder:
    """The decoder port in plain Python; see the table in this module's docstring.

    It also stands in where the compiled decoder cannot be built.
    """

    def __init__(self, schema: pa.Schema, options: DecoderOptions | None = None) -> None:
        """Prepare for rows of one schema.

        Args:
            schema: As `SchemaConfig.to_arrow` makes it; at least one column.
            options: Limits and leniencies; the strict defaults if None.

        Raises:
            UnsupportedTypeError: A column has a type that no JSON value is read into.
        """
        self._schema = schema
        self._options = options or DecoderOptions()
        columns = [field for field in schema if not is_rescue(field)]
        self._row = ObjectReader.of(columns, "", self._options)
        self._rescue = next((at for at, field in enumerate(schema) if is_rescue(field)), None)

    @property
    def schema(self) -> pa.Schema:
        """The columns of every batch."""
        return self._schema

    def decode(self, chunk: Chunk) -> Decoded:
        """Decode one chunk; see `Decoder.decode`."""
        rows: list[tuple[object, ...]] = []
        rejected: list[RejectedLine] = []
        lines = unknown = size = 0
        for found in _lines(chunk):
            if len(rejected) == Decoded.MOST_REJECTED:
                break
            lines += 1
            size = min(found.offset - chunk.offset + len(found.data) + 1, len(chunk.data))
            line = Line(
                found.data, self._options.max_depth, Rescued(), rescues=self._rescue is not None
            )
            try:
                row = self._read(line, first=found.offset == 0)
            except LineFaultError as fault:
                rejected.append(_rejected(found, fault))
                continue
            if row is not None:
                rows.append(row)
                unknown += line.unknown
        return Decoded(self._batch(rows), tuple(rejected), lines, unknown, size)

    def _read(self, line: Line, *, first: bool) -> tuple[object, ...] | None:
        limit = self._options.max_line_bytes
        if len(line.data) > limit:
            raise LineFaultError(LineError.TOO_LONG, "", limit)
        at = 0
        if line.data.startswith(_BOM):
            if not first:
                raise LineFaultError(LineError.BOM, "", 0)
            at = len(_BOM)
        at = space_end(line.data, at)
        if at == len(line.data):
            return None
        if kind_at(line.data, at, "") is not Kind.OBJECT:
            raise LineFaultError(LineError.NOT_AN_OBJECT, "", at)
        row, at = self._row.read(line, at, 0)
        at = space_end(line.data, at)
        if at < len(line.data):
            raise LineFaultError(LineError.TRAILING, "", at)
        if self._rescue is None:
            return row
        return (*row[: self._rescue], line.rescued.text, *row[self._rescue :])

    def _batch(self, rows: list[tuple[object, ...]]) -> pa.RecordBatch:
        columns = [
            to_array([row[index] for row in rows], field)
            for index, field in enumerate(self._schema)
        ]
        return pa.RecordBatch.from_arrays(columns, schema=self._schema)


class _FoundLine(Value):
    data: bytes
    number: int
    offset: int


def _lines(chunk: Chunk) -> Iterator[_FoundLine]:
    pieces = bytes(chunk.data).split(b"\n")
    if pieces[-1] == b"":
        pieces.pop()
    offset = chunk.offset
    for number, piece in enumerate(pieces, chunk.first_line):
        yield _FoundLine(piece, number, offset)
        offset += len(piece) + 1


def _rejected(line: _FoundLine, fault: LineFaultError) -> RejectedLine:
    return RejectedLine(
        line=line.number,
        offset=line.offset,
        length=len(line.data),
        error=fault.error,
        column=fault.column,
        position=fault.position,
    )
