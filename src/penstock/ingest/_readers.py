"""What reads each column: built once from the schema, then called for each value."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Self

import pyarrow as pa

from penstock.ingest._decoder import DecoderOptions, LineError
from penstock.ingest._errors import UnsupportedTypeError
from penstock.ingest._json_walk import (
    Kind,
    LineFaultError,
    colon_end,
    key_at,
    kind_at,
    number_at,
    open_at,
    space_end,
    string_at,
    value_end,
)
from penstock.ingest._rescue import Rescued
from penstock.ingest._scalars import (
    UnfitError,
    to_binary,
    to_date,
    to_float32,
    to_float64,
    to_integer,
    to_timestamp,
)
from penstock.ingest._schema_config import TYPE_KEY, is_rescue


@dataclass(slots=True)
class Line:
    """One line while it is read."""

    data: bytes
    """Its bytes, without the newline."""

    max_depth: int
    """Objects and arrays that may be open at once."""

    rescued: Rescued
    """What the schema has no place for."""

    rescues: bool
    """Whether that has a column."""

    unknown: int = 0
    """Keys met so far that the schema does not have."""


Reader = Callable[[Line, int, int], tuple[Any, int]]
"""Read the value at a position, inside so many brackets; gives the value and its end."""

_ABSENT = object()
_UNFIT = frozenset({LineError.TYPE, LineError.RANGE})


def reader_of(field: pa.Field, path: str, options: DecoderOptions) -> Reader:
    """The reader of a column's values.

    Raises:
        UnsupportedTypeError: No JSON value is read into its type.
    """
    kinds, read = _plain_reader(field, path, options)
    nullable = field.nullable

    def strict(line: Line, at: int, depth: int) -> tuple[Any, int]:
        kind = kind_at(line.data, at, path)
        if kind is Kind.NULL:
            if nullable:
                return None, at + 4
            raise LineFaultError(LineError.NULL, path, at)
        if kind not in kinds:
            raise LineFaultError(LineError.TYPE, path, at)
        return read(line, at, depth)

    def reader(line: Line, at: int, depth: int) -> tuple[Any, int]:
        try:
            return strict(line, at, depth)
        except LineFaultError as fault:
            own = fault.error in _UNFIT and (fault.column, fault.position) == (path, at)
            if not (own and nullable and line.rescues):
                raise
        return None, _rescue(line, at, path, depth)

    return reader


def _rescue(line: Line, at: int, path: str, depth: int) -> int:
    """Keep any value instead of reading it; gives its end."""
    end = value_end(line.data, at, path, depth, line.max_depth)
    if line.rescues:
        line.rescued.put(line.data[at:end])
    return end


def _plain_reader(
    field: pa.Field, path: str, options: DecoderOptions
) -> tuple[frozenset[Kind], Reader]:
    type_ = field.type
    if (field.metadata or {}).get(TYPE_KEY) == b"json":
        return frozenset(Kind), _json(path)
    if is_rescue(field):
        raise UnsupportedTypeError(path, "rescue, which is for one column of its own")
    if pa.types.is_struct(type_) and type_.num_fields:
        members = [type_.field(index) for index in range(type_.num_fields)]
        return frozenset({Kind.OBJECT}), ObjectReader.of(members, path, options).read
    if pa.types.is_list(type_):
        return frozenset({Kind.ARRAY}), _array(reader_of(type_.value_field, path, options), path)
    if pa.types.is_boolean(type_):
        return frozenset({Kind.TRUE, Kind.FALSE}), _boolean
    if type_ in _NUMBERS:
        return frozenset({Kind.NUMBER}), _NUMBERS[type_](path)
    return frozenset({Kind.STRING}), _string(path, _text_converter(field, path, options))


def _text_converter(field: pa.Field, path: str, options: DecoderOptions) -> Callable[[str], Any]:
    cut = options.finer_timestamps == "cut"
    converters: dict[pa.DataType, Callable[[str], Any]] = {
        pa.string(): str,
        pa.date32(): to_date,
        pa.binary(): to_binary,
        pa.timestamp("us", tz="UTC"): lambda text: to_timestamp(text, cut=cut),
    }
    if field.type not in converters:
        raise UnsupportedTypeError(path, str(field.type))
    return converters[field.type]


def _json(path: str) -> Reader:
    def read(line: Line, at: int, depth: int) -> tuple[Any, int]:
        end = value_end(line.data, at, path, depth, line.max_depth)
        return line.data[at:end].decode(), end

    return read


def _boolean(line: Line, at: int, _: int) -> tuple[Any, int]:
    value = line.data[at] == ord("t")
    return value, at + (4 if value else 5)


def _integer(path: str, bits: int) -> Reader:
    def read(line: Line, at: int, _: int) -> tuple[Any, int]:
        text, whole, end = number_at(line.data, at, path)
        if not whole:
            raise LineFaultError(LineError.TYPE, path, at)
        try:
            return to_integer(text, bits), end
        except UnfitError as unfit:
            raise LineFaultError(unfit.error, path, at) from unfit

    return read


def _float(path: str, convert: Callable[[bytes], float]) -> Reader:
    def read(line: Line, at: int, _: int) -> tuple[Any, int]:
        text, _whole, end = number_at(line.data, at, path)
        try:
            return convert(text), end
        except UnfitError as unfit:
            raise LineFaultError(unfit.error, path, at) from unfit

    return read


_NUMBERS: Mapping[pa.DataType, Callable[[str], Reader]] = MappingProxyType(
    {
        pa.int32(): lambda path: _integer(path, 32),
        pa.int64(): lambda path: _integer(path, 64),
        pa.float32(): lambda path: _float(path, to_float32),
        pa.float64(): lambda path: _float(path, to_float64),
    }
)


def _string(path: str, convert: Callable[[str], Any]) -> Reader:
    def read(line: Line, at: int, _: int) -> tuple[Any, int]:
        text, end = string_at(line.data, at, path)
        try:
            return convert(text), end
        except UnfitError as unfit:
            raise LineFaultError(unfit.error, path, at) from unfit

    return read


def _array(item: Reader, path: str) -> Reader:
    def read(line: Line, at: int, depth: int) -> tuple[Any, int]:
        inside = open_at(at, path, depth, line.max_depth)
        values: list[Any] = []
        at = space_end(line.data, at + 1)
        if line.data[at : at + 1] == b"]":
            return values, at + 1
        line.rescued.enter()
        while True:
            line.rescued.at(b'"%d"' % len(values))
            value, at = item(line, at, inside)
            values.append(value)
            at = space_end(line.data, at)
            if line.data[at : at + 1] == b"]":
                line.rescued.leave()
                return values, at + 1
            at = _comma_end(line.data, at, path)

    return read


def _comma_end(line: bytes, at: int, path: str) -> int:
    if line[at : at + 1] != b",":
        raise LineFaultError(LineError.SYNTAX, path, at)
    return space_end(line, at + 1)


@dataclass(frozen=True, slots=True)
class _Member:
    index: int
    path: str
    read: Reader


class ObjectReader:
    """Reads an object into a tuple with the schema's members in their order."""

    def __init__(self, path: str, members: dict[str, _Member], required: Sequence[str]) -> None:
        self._path = path
        self._members = members
        self._required = tuple((members[name].index, members[name].path) for name in required)

    @classmethod
    def of(cls, fields: Sequence[pa.Field], path: str, options: DecoderOptions) -> Self:
        """For these members of the object at `path`; empty for the row itself.

        Raises:
            UnsupportedTypeError: There is no member, or one has a type that is not read.
        """
        if not fields:
            raise UnsupportedTypeError(path, "an object without members")
        members = {}
        for index, field in enumerate(fields):
            below = f"{path}.{field.name}" if path else field.name
            members[field.name] = _Member(index, below, reader_of(field, below, options))
        return cls(path, members, [field.name for field in fields if not field.nullable])

    def read(self, line: Line, at: int, depth: int) -> tuple[tuple[Any, ...], int]:
        """Read the object whose brace stands at `at`, inside `depth` brackets."""
        inside = open_at(at, self._path, depth, line.max_depth)
        values = [_ABSENT] * len(self._members)
        at = space_end(line.data, at + 1)
        line.rescued.enter()
        if line.data[at : at + 1] != b"}":
            while True:
                at = space_end(line.data, self._member(line, at, inside, values))
                if line.data[at : at + 1] == b"}":
                    break
                at = _comma_end(line.data, at, self._path)
        for index, path in self._required:
            if values[index] is _ABSENT:
                raise LineFaultError(LineError.MISSING, path, at)
        line.rescued.leave()
        return tuple(None if value is _ABSENT else value for value in values), at + 1

    def _member(self, line: Line, at: int, depth: int, values: list[Any]) -> int:
        name, end = key_at(line.data, at, self._path)
        line.rescued.at(line.data[at:end])
        member = self._members.get(name)
        if member is None:
            line.unknown += 1
            start = colon_end(line.data, end, self._path)
            return _rescue(line, start, self._path, depth)
        if values[member.index] is not _ABSENT:
            raise LineFaultError(LineError.DUPLICATE_KEY, member.path, at)
        start = colon_end(line.data, end, self._path)
        values[member.index], end = member.read(line, start, depth)
        return end
