"""From the text of a JSON value to the value of a column, exactly or not at all."""

import base64
import binascii
import math
import re
import struct
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from types import MappingProxyType

from penstock.ingest._decoder import LineError

_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_TIMESTAMP = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[T ]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?(?:Z|([+-])([0-9]{2}):([0-9]{2}))?)?"
)
_NUMBER = re.compile(rb"-?([0-9]+)(?:\.([0-9]+))?(?:[eE]([-+]?)([0-9]+))?")
_EPOCH = date(1970, 1, 1).toordinal()
_DAY = 86_400_000_000
_FIRST = (date.min.toordinal() - _EPOCH) * _DAY
_LAST = (date.max.toordinal() - _EPOCH + 1) * _DAY - 1
_MAX_DIGITS = 19
_FAR_EXPONENT = 10**15
EPOCH_POWERS: Mapping[str, int] = MappingProxyType(
    {"seconds": 6, "milliseconds": 3, "microseconds": 0, "nanoseconds": -3}
)
"""The powers of ten that make microseconds of each unit."""
_FLOAT32_MAX = float.fromhex("0x1.fffffep+127")
_FLOAT32_EDGE = float.fromhex("0x1.ffffffp+127")  # from here on the nearest float32 is infinity


class UnfitError(Exception):
    """The value does not fit into its column; the reader adds where."""

    def __init__(self, error: LineError) -> None:
        super().__init__(error)
        self.error = error


def to_integer(text: bytes, bits: int) -> int:
    """The whole number that `text` writes, if `bits` hold it."""
    if len(text.lstrip(b"-")) > _MAX_DIGITS:
        raise UnfitError(LineError.RANGE)
    value = int(text)
    if not -(1 << (bits - 1)) <= value < 1 << (bits - 1):
        raise UnfitError(LineError.RANGE)
    return value


def to_whole(text: bytes, bits: int) -> int:
    """The whole number that `text` writes, with or without a fraction or an exponent."""
    value, rest = _scaled(text, 0)
    if not -(1 << (bits - 1)) <= value < 1 << (bits - 1):
        raise UnfitError(LineError.RANGE)
    if rest:
        raise UnfitError(LineError.TYPE)
    return value


def to_epoch(text: bytes, power: int, *, cut: bool) -> int:
    """Microseconds since 1970, UTC, of a number in units of 10^power of them."""
    value, finer = _scaled(text, power)
    if not _FIRST <= value <= _LAST or (finer and not cut):
        raise UnfitError(LineError.RANGE)
    return value


def _scaled(text: bytes, power: int) -> tuple[int, bool]:
    """What stands before the point of `text` times 10^power, and whether anything does behind it."""
    found = _NUMBER.fullmatch(text)
    assert found is not None, "a number of JSON"  # noqa: S101  # cannot be another
    whole, fraction, sign, exponent = found.groups(default=b"")
    digits = (whole + fraction).lstrip(b"0")
    far = exponent.lstrip(b"0") or b"0"
    scale = _FAR_EXPONENT if len(far) > _MAX_DIGITS else int(far)
    places = (-scale if sign == b"-" else scale) - len(fraction) + power
    before, behind = (digits, b"") if places >= 0 else (digits[:places], digits[places:])
    if before and len(before) + max(places, 0) > _MAX_DIGITS:
        raise UnfitError(LineError.RANGE)
    value = int(before) * 10 ** max(places, 0) if before else 0
    return (-value if text.startswith(b"-") else value), bool(behind.strip(b"0"))


def to_float64(text: bytes) -> float:
    """The double nearest to the decimal number, ties to even."""
    value = float(text)
    if math.isinf(value):
        raise UnfitError(LineError.RANGE)
    return value


def to_float32(text: bytes) -> float:
    """The float32 nearest to the decimal number, ties to even.

    Rounding the nearest double once more would be wrong where that double lies exactly between
    two float32 and the decimal number does not: there the decimal number decides.
    """
    double = to_float64(text)
    digits = text.decode().lstrip("-")
    if abs(double) == _FLOAT32_EDGE and Decimal(digits) < Decimal(_FLOAT32_EDGE):
        return math.copysign(_FLOAT32_MAX, double)
    try:
        nearest: float = struct.unpack("<f", struct.pack("<f", double))[0]
    except OverflowError as error:
        raise UnfitError(LineError.RANGE) from error
    if nearest == double:
        return nearest
    other = _float32_beside(nearest, double)
    if abs(double - nearest) != abs(other - double):
        return nearest
    exact = Decimal(text.decode())
    middle = Decimal(double)
    if exact == middle:
        return nearest
    return max(nearest, other) if exact > middle else min(nearest, other)


def _float32_beside(value: float, towards: float) -> float:
    """The float32 next to the float32 `value`, on the side of `towards`."""
    if value == 0.0:
        return math.copysign(float.fromhex("0x1p-149"), towards)
    bits = struct.unpack("<I", struct.pack("<f", value))[0]
    bits += 1 if abs(towards) > abs(value) else -1
    beside: float = struct.unpack("<f", struct.pack("<I", bits))[0]
    return beside


def to_date(text: str) -> int:
    """Days since 1970 of a `YYYY-MM-DD`."""
    found = _DATE.fullmatch(text)
    if found is None:
        raise UnfitError(LineError.TYPE)
    year, month, day = (int(part) for part in found.groups())
    try:
        return date(year, month, day).toordinal() - _EPOCH
    except ValueError as error:
        raise UnfitError(LineError.RANGE) from error


def to_timestamp(text: str, *, cut: bool) -> int:
    """Microseconds since 1970, UTC, of an ISO 8601 time.

    Args:
        text: `YYYY-MM-DD`, or with `T` or a space `hh:mm:ss`, a fraction, and `Z` or `+hh:mm`.
        cut: Drop digits finer than a microsecond, where they would else be refused.
    """
    found = _TIMESTAMP.fullmatch(text)
    if found is None:
        raise UnfitError(LineError.TYPE)
    day, hour, minute, second, fraction, sign, offset_hour, offset_minute = found.groups(default="")
    value = to_date(day) * _DAY
    value += _minutes(hour, minute) * 60_000_000
    value += _below(second, 60) * 1_000_000 + _micros(fraction, cut=cut)
    offset = _minutes(offset_hour, offset_minute) * 60_000_000
    value += offset if sign == "-" else -offset
    if not _FIRST <= value <= _LAST:
        raise UnfitError(LineError.RANGE)
    return value


def _minutes(hour: str, minute: str) -> int:
    return _below(hour, 24) * 60 + _below(minute, 60)


def _below(digits: str, limit: int) -> int:
    value = int(digits or "0")
    if value >= limit:
        raise UnfitError(LineError.RANGE)
    return value


def _micros(fraction: str, *, cut: bool) -> int:
    if not cut and fraction[6:].strip("0"):
        raise UnfitError(LineError.RANGE)
    return int(fraction[:6].ljust(6, "0"))


def to_binary(text: str) -> bytes:
    """The bytes that base64 text stands for: standard alphabet, padded, no stray bits."""
    try:
        value = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise UnfitError(LineError.TYPE) from error
    if base64.b64encode(value).decode() != text:
        raise UnfitError(LineError.TYPE)
    return value
