"""What reads each column: built once from the schema, then called for each value."""

from collections.abc import Sequence
from typing import Any, Self

import pyarrow as pa

from penstock.base import Value
from penstock.ingest._decoder import DecoderOptions, LineError
from penstock.ingest._errors import UnsupportedTypeError
from penstock.ingest._json_walk import (
    Kind,
    LineFaultError,
    colon_end,
    key_at,
    kind_at,
    nan_end,
    open_at,
    space_end,
    value_end,
)
from penstock.ingest._scalar_readers import Line, Reader, scalar_reader
from penstock.ingest._schema_config import is_rescue

_ABSENT = object()
_UNFIT = frozenset({LineError.TYPE, LineError.RANGE})


def reader_of(field: pa.Field, path: str, options: DecoderOptions) -> Reader:
    """The reader of a column's values.

    Raises:
        UnsupportedTypeError: No JSON value is read into its type.
    """
    strict = _strict(field, path, options)
    if not field.nullable:
        return strict
    lenient = options.not_a_number == "nullify" and pa.types.is_floating(field.type)
    nullified = LineError.NOT_A_NUMBER if lenient else None

    def forgiving(line: Line, at: int, depth: int) -> tuple[Any, int]:
        try:
            return strict(line, at, depth)
        except LineFaultError as fault:
            own = (fault.column, fault.position) == (path, at)
            if own and fault.error is nullified:
                return None, nan_end(line.data, at)
            if not (own and fault.error in _UNFIT and line.rescues):
                raise
        return None, _rescue(line, at, path, depth)

    return forgiving


def _strict(field: pa.Field, path: str, options: DecoderOptions) -> Reader:
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

    return strict


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
    if is_rescue(field):
        raise UnsupportedTypeError(path, "rescue, which is for one column of its own")
    if pa.types.is_struct(type_) and type_.num_fields:
        members = [type_.field(index) for index in range(type_.num_fields)]
        return frozenset({Kind.OBJECT}), ObjectReader.of(members, path, options).read
    if pa.types.is_list(type_):
        return frozenset({Kind.ARRAY}), _array(reader_of(type_.value_field, path, options), path)
    return scalar_reader(field, path, options)


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


class _Member(Value):
    index: int
    path: str
    read: Reader


class ObjectReader:
    """Reads an object into a tuple with the schema's members in their order."""

    def __init__(
        self, path: str, members: dict[str, _Member], required: Sequence[str], *, keep_last: bool
    ) -> None:
        self._path = path
        self._keep_last = keep_last
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
        required = [field.name for field in fields if not field.nullable]
        return cls(path, members, required, keep_last=options.duplicate_keys == "last")

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
        if values[member.index] is not _ABSENT and not self._keep_last:
            raise LineFaultError(LineError.DUPLICATE_KEY, member.path, at)
        start = colon_end(line.data, end, self._path)
        values[member.index], end = member.read(line, start, depth)
        return end
