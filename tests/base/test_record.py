"""Durable records: read as written, or refused by name."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.base import Record, RecordError


class Inner(Record):
    """A part."""

    name: str
    """Its name."""


class Outer(Record):
    """A record with all that ours hold."""

    seq: int
    """A number."""

    at: datetime
    """A time."""

    parts: tuple[Inner, ...]
    """Others."""

    note: Inner | None = None
    """Perhaps one more."""


inner = st.builds(Inner, name=st.text(st.characters(codec="utf-8")))
outer = st.builds(
    Outer,
    seq=st.integers(),
    at=st.datetimes(timezones=st.just(UTC)),
    parts=st.lists(inner, max_size=3).map(tuple),
    note=st.none() | inner,
)


@given(outer)
def test_what_was_written_is_read(record: Outer) -> None:
    assert Outer.decode(record.encode(), place="here") == record


@given(outer, outer)
def test_bytes_are_equal_exactly_when_records_are(one: Outer, other: Outer) -> None:
    """Rivals that come to the same result write the same bytes."""
    assert (one.encode() == other.encode()) == (one == other)


@pytest.mark.case("k15")
@given(outer, st.data())
def test_a_record_cut_short_is_refused(record: Outer, data: st.DataObject) -> None:
    """What a crash or a full disk leaves is never taken for a record."""
    encoded = record.encode()
    cut = data.draw(st.integers(0, len(encoded) - 1))

    with pytest.raises(RecordError, match="plans/1"):
        Outer.decode(encoded[:cut], place="plans/1")


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b'{"name": "x", "later": 1}', "later"),
        (b"{}", "name"),
        (b'{"name": 1}', "name"),
        (b"[]", "Inner"),
        (b"\xff", "Inner"),
    ],
)
def test_a_record_of_another_form_is_refused_by_name(data: bytes, fault: str) -> None:
    """A key of a newer version is not dropped in silence: it may change what the rest means."""
    with pytest.raises(RecordError, match="seals/7 is not a Inner") as caught:
        Inner.decode(data, place="seals/7")
    assert fault in str(caught.value)


def test_a_record_is_frozen() -> None:
    with pytest.raises(AttributeError, match="immutable"):
        Inner(name="x").name = "y"  # type: ignore[misc]
