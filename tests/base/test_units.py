"""Durations and sizes, as people write them."""

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.base import format_size, parse_duration, parse_size

UNITS = {"d": 86_400, "h": 3600, "m": 60, "s": 1}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("500ms", 0.5),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("7d", 604_800),
        ("2w", 1_209_600),
        ("0", 0),
        ("90", 90),
        (" 5m ", 300),
        (0.25, 0.25),
        (3, 3),
        (timedelta(minutes=1), 60),
    ],
)
def test_a_duration_is_read(text: object, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text",
    ["", "fast", "10 parsecs", "5m and more", "-5s", "1h-30m", -1, True, None, "1e400", 1e300],
)
def test_what_is_no_duration_is_refused_with_its_value(text: object) -> None:
    with pytest.raises(ValueError, match="expected a duration") as caught:
        parse_duration(text)
    assert repr(text) in str(caught.value) or repr(str(text)) in str(caught.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_duration_is_a_number(value: float) -> None:
    with pytest.raises(ValueError, match="expected a duration"):
        parse_duration(value)


@given(st.fixed_dictionaries({unit: st.integers(0, 500) for unit in UNITS}))
def test_a_duration_is_the_sum_of_its_parts(parts: dict[str, int]) -> None:
    text = "".join(f"{count}{unit}" for unit, count in parts.items())

    assert parse_duration(text).total_seconds() == sum(
        count * UNITS[unit] for unit, count in parts.items()
    )


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("128MiB", 128 * 2**20),
        ("2GiB", 2**31),
        ("2GB", 2 * 10**9),
        ("64kb", 64_000),
        ("1.5 KiB", 1536),
        ("512", 512),
        (" 10B ", 10),
        (4096, 4096),
        (0, 0),
    ],
)
def test_a_size_is_read(text: object, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "big", "-1", -1, True, None, 1.5, "5 XB", "MiB", "ib", "5ib", "1GiB!"]
)
def test_what_is_no_size_is_refused_with_its_value(text: object) -> None:
    with pytest.raises(ValueError, match="expected a size") as caught:
        parse_size(text)
    assert repr(text) in str(caught.value)


@given(st.integers(0, 10**9), st.sampled_from(["KiB", "MiB", "GiB", "TiB", "kB", "MB", "GB", "TB"]))
def test_a_whole_size_is_exact(number: int, unit: str) -> None:
    """A limit of bytes does not pass through floating point."""
    base = 1024 if "i" in unit else 1000
    factor = base ** ("KMGT".index(unit[0].upper()) + 1)

    assert parse_size(f"{number}{unit}") == number * factor


@given(st.decimals(0, 10**6, places=3))
def test_a_fraction_of_a_unit_is_cut_to_whole_bytes(number: Decimal) -> None:
    assert parse_size(f"{number:f}MB") == int(number * 10**6)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (1536, "1.5 KiB"),
        (128 * 2**20, "128 MiB"),
        (2**30, "1 GiB"),
        (5 * 2**40, "5 TiB"),
    ],
)
def test_a_size_is_shown_for_people(size: int, text: str) -> None:
    assert format_size(size) == text


@given(st.integers(0, 10**15))
def test_a_shown_size_is_right_to_three_digits(size: int) -> None:
    assert parse_size(format_size(size)) == pytest.approx(size, rel=0.006)
