"""Values: what is held of them everywhere."""

import pickle

import pytest
from msgspec.structs import replace

from penstock.base import Value


class Place(Value):
    """One line of one file."""

    file: str
    line: int = 1


class Range(Value, order=True):
    """A value that refuses what makes no sense."""

    first: int
    last: int

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise ValueError(f"{self.last} is before {self.first}")


def test_values_with_equal_fields_are_equal() -> None:
    """And are one key."""
    assert Place("a") == Place("a", 1)
    assert {Place("a"), Place("a", line=1)} == {Place(file="a")}
    assert Place("a") != Place("a", 2)


def test_a_value_is_never_changed() -> None:
    """Neither its fields nor by further ones."""
    place = Place("a")

    with pytest.raises(AttributeError):
        place.line = 2  # type: ignore[misc]
    with pytest.raises(AttributeError):
        place.column = 2  # type: ignore[attr-defined]


def test_a_copy_has_what_was_asked_for() -> None:
    """The rest is as it was."""
    assert replace(Place("a", 7), line=8) == Place("a", 8)


def test_a_copy_is_checked_as_a_new_value_is() -> None:
    """There is no way around `__post_init__`."""
    with pytest.raises(ValueError, match="1 is before 2"):
        replace(Range(2, 3), last=1)


def test_a_value_goes_to_another_process() -> None:
    """Workers are given values, and give values back."""
    assert pickle.loads(pickle.dumps(Place("a", 7))) == Place("a", 7)


def test_values_are_ordered_by_their_fields_where_asked() -> None:
    """In the order of the fields."""
    assert max(Range(1, 5), Range(2, 3)) == Range(2, 3)
