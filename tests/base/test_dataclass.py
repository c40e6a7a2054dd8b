"""Our `dataclass` makes what the standard library's makes."""

import copy
import dataclasses
import inspect
import pickle
from collections.abc import Callable
from dataclasses import field
from typing import Any

import pytest

from penstock.base import dataclass

FLAGS = [
    {"eq": eq, "frozen": frozen, "slots": slots}
    for eq in (True, False)
    for frozen in (True, False)
    for slots in (True, False)
]


def point(make: Callable[..., Any], **flags: bool) -> Any:
    """A class with every kind of field that is in use."""

    class Point:
        x: int
        name: str = "origin"
        tags: list[str] = field(default_factory=list, compare=False)
        secret: str = field(default="s", repr=False)

        def moved(self, by: int) -> Any:
            return dataclasses.replace(self, x=self.x + by)

    return make(**flags)(Point)


def outcome(act: Callable[[], object]) -> object:
    """What `act` returns, or the error that it raises."""
    try:
        return act()
    except Exception as error:
        return type(error), str(error)


def set_field(value: Any) -> None:
    value.x = 7


def below(cls: type) -> Any:
    """A subclass that adds nothing."""
    return type("Below", (cls,), {})


def delete_field(value: Any) -> None:
    del value.x


ACTS: dict[str, Callable[[Any], object]] = {
    "signature": lambda cls: str(inspect.signature(cls)),
    "fields": lambda cls: [(f.name, f.type, f.repr, f.compare) for f in dataclasses.fields(cls)],
    "too few": lambda cls: cls(),
    "too many": lambda cls: cls(1, "a", [], "b", "c"),
    "unknown": lambda cls: cls(1, y=2),
    "repr": lambda cls: repr(cls(1, tags=["a"])),
    "made anew": lambda cls: cls(1).tags is cls(1).tags,
    "equal": lambda cls: cls(1, tags=["a"]) == cls(1),
    "unequal": lambda cls: [cls(1) == cls(2), cls(1) == cls(1, secret="t"), cls(1) == (1, "origin")],
    "of another class": lambda cls: [cls(1) == below(cls)(1), below(cls)(1) == cls(1)],
    "hash": lambda cls: len({hash(value) for value in [cls(1, tags=["a"]), cls(1)]}),
    "hashable": lambda cls: cls.__hash__ is None,
    "unhashable field": lambda cls: isinstance(hash(cls([])), int),
    "set": lambda cls: set_field(cls(1)),
    "delete": lambda cls: delete_field(cls(1)),
    "replace": lambda cls: repr(cls(1).moved(2)),
    "as dict": lambda cls: dataclasses.asdict(cls(1)),
    "copy": lambda cls: repr(copy.deepcopy(cls(1, tags=["a"]))),
    "match": lambda cls: cls.__match_args__,
    "dict": lambda cls: hasattr(cls(1), "__dict__"),
    "class attribute": lambda cls: isinstance(getattr(cls, "name", None), str),
    "parameters": lambda cls: repr(cls.__dataclass_params__),
    "init": lambda cls: (cls.__init__.__qualname__, cls.__init__.__module__),
}  # fmt: skip


@pytest.mark.parametrize("flags", FLAGS, ids=str)
@pytest.mark.parametrize("act", ACTS)
def test_it_does_what_the_original_does(act: str, flags: dict[str, bool]) -> None:
    ours, theirs = point(dataclass, **flags), point(dataclasses.dataclass, **flags)

    found = outcome(lambda: ACTS[act](ours))
    expected = outcome(lambda: ACTS[act](theirs))

    assert found == expected


@pytest.mark.parametrize("slots", [True, False])
def test_a_subclass_of_a_frozen_class_may_have_attributes_of_its_own(slots: bool) -> None:
    """Only the fields are frozen then. The original means it too, and with slots fails at it."""

    class Named(point(dataclass, frozen=True, slots=slots)):
        """No dataclass."""

    named = Named(1)
    named.other = 2
    del named.other
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'x'"):
        named.x = 2
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot delete field 'x'"):
        del named.x


@pytest.mark.parametrize("slots", [True, False])
def test_a_frozen_value_takes_no_further_attribute(slots: bool) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError, match="'other'"):
        point(dataclass, frozen=True, slots=slots)(1).other = 2


@dataclass(frozen=True, slots=True)
class Frozen:
    """At the top of a module, so that it can be pickled."""

    x: int
    y: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Open:
    """The same with a dictionary."""

    x: int


@pytest.mark.parametrize("value", [Frozen(1, [2]), Open(1)], ids=repr)
def test_a_value_crosses_process_borders(value: object) -> None:
    assert pickle.loads(pickle.dumps(value)) == value


def test_a_value_that_holds_itself_is_shown() -> None:
    value = Frozen(1)
    value.y.append(value)

    assert repr(value) == "Frozen(x=1, y=[...])"


def test_what_a_class_has_written_itself_stays() -> None:
    @dataclass(frozen=True)
    class Own:
        x: int

        def __repr__(self) -> str:
            return "own"

        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 5

    assert (repr(Own(1)), Own(1) == Own(2), hash(Own(1))) == ("own", True, 5)


def test_equality_of_its_own_leaves_a_frozen_class_hashable() -> None:
    """Python sets `__hash__` to None beside an `__eq__`; the original takes that back."""
    for make in (dataclass, dataclasses.dataclass):

        @make(frozen=True)
        class Own:  # noqa: PLW1641 - that is the point
            x: int

            def __eq__(self, other: object) -> bool:
                return True

        assert hash(Own(1)) == hash((1,))


def test_a_class_completes_itself_after_its_fields() -> None:
    @dataclass(slots=True)
    class Doubled:
        x: int
        twice: int = 0

        def __post_init__(self) -> None:
            self.twice = 2 * self.x

    assert Doubled(2).twice == 4


def test_fields_are_inherited_in_their_order() -> None:
    """Errors are such classes, one below the other."""

    @dataclass(eq=False)
    class CardError(Exception):
        card: str
        age: int = 0

    @dataclass(eq=False)
    class ClaimedError(CardError):
        note: str = ""

    assert repr(ClaimedError("c", note="n")).endswith("ClaimedError(card='c', age=0, note='n')")


def test_what_is_out_of_the_ordinary_is_made_by_the_original() -> None:
    @dataclass(order=True, frozen=True)
    class Ordered:
        x: int

    @dataclass(frozen=True)
    class Below(Open):
        made: list[int] = field(default_factory=list, init=False)
        z: int = field(default=1, kw_only=True)

    @dataclass
    class Extra:
        given: dataclasses.InitVar[int]
        x: int = 0

        def __post_init__(self, given: int) -> None:
            self.x = given

    assert Ordered(1) < Ordered(2)
    assert repr(Below(1, z=2)).endswith("Below(x=1, made=[], z=2)")
    assert Extra(3).x == 3
    with pytest.raises(TypeError, match="Cannot overwrite attribute __setattr__"):

        @dataclass(frozen=True)
        class Setting:
            def __setattr__(self, name: str, value: object) -> None: ...


def test_a_user_s_class_may_stand_on_ours_and_freeze() -> None:
    @dataclasses.dataclass(frozen=True)
    class Mine(Open):
        y: int = 0

    with pytest.raises(TypeError, match="frozen"):

        @dataclasses.dataclass
        class Thawed(Open):
            y: int = 0

    assert Mine(1, 2) == Mine(1, 2)
