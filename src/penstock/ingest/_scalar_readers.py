"""What reads the values of columns that are neither struct nor list."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

import pyarrow as pa

from penstock.ingest._decoder import DecoderOptions, LineError
from penstock.ingest._errors import UnsupportedTypeError
from penstock.ingest._json_walk import Kind, LineFaultError, number_at, string_at, value_end
from penstock.ingest._rescue import Rescued
from penstock.ingest._scalars import (
    EPOCH_POWERS,
    UnfitError,
    to_binary,
    to_date,
    to_epoch,
    to_float32,
    to_float64,
    to_integer,
    to_timestamp,
    to_whole,
)
from penstock.ingest._schema_config import TYPE_KEY


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


def scalar_reader(
    field: pa.Field, path: str, options: DecoderOptions
) -> tuple[frozenset[Kind], Reader]:
    """The kinds of value that a column takes, and what reads them; null is none of them.

    Raises:
        UnsupportedTypeError: No JSON value is read into its type.
    """
    type_ = field.type
    if (field.metadata or {}).get(TYPE_KEY) == b"json":
        return frozenset(Kind), _json(path)
    if pa.types.is_boolean(type_):
        return frozenset({Kind.TRUE, Kind.FALSE}), _boolean
    if type_ in _NUMBERS:
        quoted = frozenset({Kind.STRING} if options.quoted_numbers == "read" else ())
        return quoted | {Kind.NUMBER}, _number(path, _NUMBERS[type_](options))
    text = _string(path, _text_converter(field, path, options))
    if pa.types.is_timestamp(type_) and options.epoch_timestamps != "refuse":
        number = _number(path, _epoch(options))
        return frozenset({Kind.NUMBER, Kind.STRING}), _either(number, text)
    return frozenset({Kind.STRING}), text


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


_Number = Callable[[bytes, bool], Any]
"""From a number's text, and whether it has neither fraction nor exponent, to a column's value."""


def _number(path: str, convert: _Number) -> Reader:
    def read(line: Line, at: int, _: int) -> tuple[Any, int]:
        quoted = line.data[at] == ord('"')
        text, whole, end = (_quoted_number if quoted else number_at)(line.data, at, path)
        try:
            return convert(text, whole), end
        except UnfitError as unfit:
            raise LineFaultError(unfit.error, path, at) from unfit

    return read


def _quoted_number(line: bytes, at: int, path: str) -> tuple[bytes, bool, int]:
    """As `number_at`, for a number that is all of a string."""
    text, end = string_at(line, at, path)
    inner = text.encode()
    try:
        number, whole, inner_end = number_at(inner, 0, path)
    except LineFaultError as fault:
        raise LineFaultError(LineError.TYPE, path, at) from fault
    if inner_end < len(inner):
        raise LineFaultError(LineError.TYPE, path, at)
    return number, whole, end


def _either(number: Reader, text: Reader) -> Reader:
    def read(line: Line, at: int, depth: int) -> tuple[Any, int]:
        return (text if line.data[at] == ord('"') else number)(line, at, depth)

    return read


def _integer(bits: int, options: DecoderOptions) -> _Number:
    def convert(text: bytes, whole: bool) -> int:  # noqa: FBT001  # as all converters
        if whole:
            return to_integer(text, bits)
        if options.whole_fractions == "read":
            return to_whole(text, bits)
        raise UnfitError(LineError.TYPE)

    return convert


def _float(to: Callable[[bytes], float], _: DecoderOptions) -> _Number:
    return lambda text, _: to(text)


def _epoch(options: DecoderOptions) -> _Number:
    power = EPOCH_POWERS[options.epoch_timestamps]
    return lambda text, _: to_epoch(text, power, cut=options.finer_timestamps == "cut")


_NUMBERS: Mapping[pa.DataType, Callable[[DecoderOptions], _Number]] = MappingProxyType(
    {
        pa.int32(): partial(_integer, 32),
        pa.int64(): partial(_integer, 64),
        pa.float32(): partial(_float, to_float32),
        pa.float64(): partial(_float, to_float64),
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
