"""Durations (`30s`, `1h30m`) and sizes (`128MiB`), read in one place."""

import re
from datetime import timedelta
from decimal import Decimal

_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)")
_BYTES = {
    "": 1,
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "tib": 2**40,
}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?i?b?)", re.IGNORECASE)


def parse_duration(value: object) -> timedelta:
    """Read a duration: a number of seconds, or number and unit, largest unit first.

    >>> parse_duration("1h30m")
    datetime.timedelta(seconds=5400)
    >>> parse_duration(0.25)
    datetime.timedelta(microseconds=250000)

    Raises:
        ValueError: Not a duration, or below zero.
    """
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        seconds = float(value)
    else:
        seconds = _seconds_of(str(value).strip())
    if not 0 <= seconds < 1e12:
        raise ValueError(f"expected a duration of 0 or more, got {value!r}")
    return timedelta(seconds=seconds)


def _seconds_of(text: str) -> float:
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    parts = _DURATION_PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"expected a duration such as 500ms, 30s, 10m, 1h30m or 7d, got {text!r}")
    return float(sum(float(number) * _SECONDS[unit] for number, unit in parts))


def parse_size(value: object) -> int:
    """Read a size in bytes: a whole number, or number and unit (`kB` is 1,000, `KiB` is 1,024).

    >>> parse_size("128MiB")
    134217728

    Raises:
        ValueError: Not a size, or below zero.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    match = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    factor = _BYTES.get(match[2].lower()) if match else None
    if match is None or factor is None:
        raise ValueError(f"expected a size such as 512KiB, 128MiB or 2GiB, got {value!r}")
    return int(Decimal(match[1]) * factor)  # exact, as 262.143MB is not in binary


def format_size(count: int) -> str:
    """Bytes for people: three digits, binary units.

    >>> format_size(134217728)
    '128 MiB'
    """
    size = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if size >= 100 or unit == "B" else f"{size:.3g} {unit}"
        size /= 1024
    return f"{size:.3g} TiB"
