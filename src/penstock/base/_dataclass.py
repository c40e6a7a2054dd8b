"""The standard library's `dataclass`, made in a quarter of the time.

Up to Python 3.12 that one compiles six functions for a frozen class, and with the classes that an
ingestion loads this was a tenth of its start. Here one is compiled, `__init__`, and the others are
shared. A type checker sees the original, and `tests/base/test_dataclass.py` compares the two.
"""

import dataclasses
from collections.abc import Callable, Iterator
from operator import attrgetter
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any

__all__ = ["dataclass"]

_Fields = tuple[dataclasses.Field[Any], ...]
_Values = Callable[[Any], tuple[object, ...]]


def _fast_dataclass(
    cls: type | None = None,
    /,
    *,
    eq: bool = True,
    order: bool = False,
    frozen: bool = False,
    slots: bool = False,
) -> Any:
    """As `dataclasses.dataclass`, which makes those that are out of the ordinary."""

    def make(cls: type) -> type:
        if order or not _ordinary(cls):
            original: Any = dataclasses.dataclass(eq=eq, order=order, frozen=frozen, slots=slots)
            return original(cls)  # type: ignore[no-any-return]  # a class decorator
        cls.__doc__ = cls.__doc__ or cls.__name__  # else a signature is made and printed for it
        made: type = dataclasses.dataclass(init=False, repr=False, eq=False, slots=slots)(cls)
        _complete(made, eq=eq, frozen=frozen, slots=slots)
        return made

    return make if cls is None else make(cls)


if TYPE_CHECKING:
    from dataclasses import dataclass
else:
    dataclass = _fast_dataclass


def _ordinary(cls: type) -> bool:
    """Whether all its fields are parameters and no more, and nothing stands in the way of freezing it."""
    if vars(cls).keys() & {"__setattr__", "__delattr__"}:
        return False
    parameters = [vars(base).get("__dataclass_params__") for base in cls.__mro__[1:]]
    if any(found is not None and found.frozen for found in parameters):
        return False
    kinds = map(str, vars(cls).get("__annotations__", {}).values())
    if any("InitVar" in kind or "KW_ONLY" in kind for kind in kinds):
        return False
    return all(
        field.init and field.kw_only is not True and field.hash is None for field in _found(cls)
    )


def _found(cls: type) -> Iterator[dataclasses.Field[Any]]:
    for value in vars(cls).values():
        if isinstance(value, dataclasses.Field):
            yield value
    for base in cls.__mro__[1:]:
        yield from vars(base).get("__dataclass_fields__", {}).values()


def _complete(cls: type, *, eq: bool, frozen: bool, slots: bool) -> None:
    """Add what `cls` has not written itself."""
    own = dict(vars(cls))
    fields = dataclasses.fields(cls)
    methods: dict[str, Any] = {
        "__init__": _make_init(cls, fields, frozen=frozen),
        "__repr__": _repr,
    }
    if eq:
        values = _values([field.name for field in fields if field.compare])
        methods["__eq__"] = _make_eq(values)
        if own.get("__hash__") is None and "__eq__" in own:
            del own["__hash__"]  # Python's doing, for a class that has `__eq__`
        methods["__hash__"] = _make_hash(values) if frozen else None
    if frozen:
        methods |= {"__setattr__": _setattr, "__delattr__": _delattr}
        methods |= {"__getstate__": _getstate, "__setstate__": _setstate} if slots else {}
    for name, method in methods.items():
        if name not in own:
            setattr(cls, name, method)
    parameters = vars(cls)["__dataclass_params__"]
    parameters.init = parameters.repr = True
    parameters.eq, parameters.frozen = eq, frozen


def _make_init(cls: type, fields: _Fields, *, frozen: bool) -> Callable[..., None]:
    known: dict[str, Any] = {"_set": object.__setattr__}
    head, lines = ["self"], []
    for field in fields:
        name, value = field.name, field.name
        if field.default_factory is not dataclasses.MISSING:
            known |= {f"_make_{name}": field.default_factory, "_factory": _FACTORY}
            name, value = f"{name}=_factory", f"_make_{name}() if {name} is _factory else {name}"
        elif field.default is not dataclasses.MISSING:
            known[f"_default_{name}"] = field.default
            name = f"{name}=_default_{name}"
        head.append(name)
        place = field.name
        lines.append(f"_set(self, {place!r}, {value})" if frozen else f"self.{place} = {value}")
    if hasattr(cls, "__post_init__"):
        lines.append("self.__post_init__()")
    body = "\n  ".join(lines or ["pass"])
    exec(f"def __init__({', '.join(head)}):\n  {body}", known)  # noqa: S102 - as the original does
    init: Callable[..., None] = known["__init__"]
    init.__qualname__, init.__module__ = f"{cls.__qualname__}.__init__", cls.__module__
    init.__annotations__ = {field.name: field.type for field in fields} | {"return": None}
    return init


class _Factory:
    """Stands where a parameter that is made anew for each call has its default."""

    def __repr__(self) -> str:
        return "<factory>"


_FACTORY = _Factory()


def _values(names: list[str]) -> _Values:
    if len(names) > 1:
        return attrgetter(*names)
    return lambda self: tuple(getattr(self, name) for name in names)


def _make_eq(values: _Values) -> Callable[[object, object], bool]:
    def __eq__(self: object, other: object) -> bool:  # noqa: N807 - it is to be that method
        if other.__class__ is self.__class__:
            return values(self) == values(other)
        return NotImplemented

    return __eq__


def _make_hash(values: _Values) -> Callable[[object], int]:
    return lambda self: hash(values(self))


@recursive_repr()
def _repr(self: Any) -> str:
    shown = [
        f"{field.name}={getattr(self, field.name)!r}"
        for field in dataclasses.fields(self)
        if field.repr
    ]
    return f"{self.__class__.__qualname__}({', '.join(shown)})"


def _setattr(self: Any, name: str, value: object) -> None:
    if "__dataclass_fields__" in vars(type(self)) or name in self.__dataclass_fields__:
        raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")
    object.__setattr__(self, name, value)


def _delattr(self: Any, name: str) -> None:
    if "__dataclass_fields__" in vars(type(self)) or name in self.__dataclass_fields__:
        raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")
    object.__delattr__(self, name)


def _getstate(self: Any) -> list[object]:
    return [getattr(self, field.name) for field in dataclasses.fields(self)]


def _setstate(self: Any, state: list[object]) -> None:
    for field, value in zip(dataclasses.fields(self), state, strict=True):
        object.__setattr__(self, field.name, value)
