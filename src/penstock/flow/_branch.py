"""Where a flow divides and where it comes together, as a user writes it."""

from collections.abc import AsyncIterable, Callable, Coroutine, Hashable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Generic, Never, TypeVar, overload

from penstock.base import ConfigError, Problem, Value
from penstock.flow._errors import PoisonError
from penstock.flow._sink import Sink
from penstock.flow._source import Source
from penstock.flow._stage import BatchStage, Stage, as_stage

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)
U_co = TypeVar("U_co", covariant=True)
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
Parts = tuple[Any, ...]


class Else(Enum):
    """The key of the branch for everything that no other branch is for."""

    ELSE = "otherwise"


ELSE: Final = Else.ELSE


class Chain(Generic[U_co]):
    """Parts joined by bars: first a source, then what its messages pass through."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts


@dataclass(eq=False)
class UnknownBranchError(PoisonError):
    """A route's function named a branch that is not there, and there is no default."""

    stage: str
    branch: str
    known: str

    def __str__(self) -> str:
        return (
            f"route {self.stage!r} sent the message to branch {self.branch}, but there are: {self.known}; "
            "add that branch, or give the route a default="
        )


class Fork(Value, Generic[T_contra]):
    """A part that hands messages to branches: to the one that `choose` names, or to all without it."""

    stage: Stage[..., Any]
    choose: Callable[[Any], Hashable] | None
    branches: tuple[tuple[Hashable, Parts], ...]

    def with_branches(self, branches: Iterable[Parts]) -> "Fork[T_contra]":
        """The same with other parts in its branches."""
        keys = [key for key, _ in self.branches]
        return Fork(self.stage, self.choose, tuple(zip(keys, branches, strict=True)))

    def with_function(self, other: Any) -> "Fork[T_contra]":
        """The same route with another function.

        Raises:
            ConfigError: It is a tee, which has none.
        """
        if self.choose is None:
            text = "a tee has no function to replace; name a stage of its branches"
            raise ConfigError((Problem("<python>", 0, self.stage.name, text),))
        function = other.function if isinstance(other, Stage) else other
        return Fork(_fork_stage(function, self.stage.name), function, self.branches)


class Passing(Fork[T_contra]):
    """For type checkers, what only ever is a `Fork`: messages flow on from it as they came, or not at all."""


class Giving(Fork[T_contra], Generic[T_contra, R_co]):
    """For type checkers, what only ever is a `Fork`: what flows on is what one function gives that returns `R_co`."""


class Merge(Value, Generic[U_co]):
    """Several sources as one: each an iterable, a `Source`, or a flow without a sink."""

    sources: tuple[Any, ...]


Branch = (
    Callable[[T], Any] | BatchStage[T, Any, Any] | Sink[T] | Fork[T] | list[Any] | tuple[Any, ...]
)
"""What `route` and `tee` take: of parts in a list, types are not checked."""

Ending = (
    Callable[[T], None]
    | Callable[[T], Coroutine[Any, Any, None]]
    | Sink[T]
    | BatchStage[T, Never, Any]
)
"""A branch from which nothing flows on."""

Mixed = Callable[..., None] | Stage[..., Any] | Sink[Any] | list[Any] | tuple[Any, ...]
"""For what a type checker cannot see through: a lambda over branches of several kinds."""


@overload
def route(  # type: ignore[overload-overlap] # the first that fits is meant: an end is a branch, too
    function: Callable[[T], Hashable],
    branches: Mapping[Any, Ending[T]],
    *,
    name: str | None = None,
) -> Giving[T, None]: ...


@overload
def route(  # type: ignore[overload-overlap] # the first that fits is meant: an end is a branch, too
    function: Callable[[T], Hashable],
    branches: Mapping[Any, Ending[T]],
    *,
    default: Callable[[T], R],
    name: str | None = None,
) -> Giving[T, R]: ...


@overload
def route(
    function: Callable[[T], Hashable],
    branches: Mapping[Any, Ending[T] | list[Never]],
    *,
    default: Ending[T] | list[Never] | None = None,
    name: str | None = None,
) -> Passing[T]: ...


@overload
def route(
    function: Callable[[T], Hashable],
    branches: Mapping[Any, Branch[T]],
    *,
    default: Branch[T] | None = None,
    name: str | None = None,
) -> Fork[T]: ...


@overload
def route(
    function: Callable[[Any], Hashable],
    branches: Mapping[Any, Branch[T]],
    *,
    default: Branch[T] | None = None,
    name: str | None = None,
) -> Fork[T]: ...


@overload
def route(
    function: Callable[[Any], Hashable],
    branches: Mapping[Any, Mixed],
    *,
    default: Mixed | None = None,
    name: str | None = None,
) -> Fork[Any]: ...


def route(
    function: Callable[[Any], Hashable],
    branches: Mapping[Any, Branch[Any]],
    *,
    default: Branch[Any] | None = None,
    name: str | None = None,
) -> Fork[Any]:
    """Send each message to one of several branches.

    A branch is a stage, a sink, or a list of parts like those between the bars of a flow. A branch
    that does not end in a sink flows on into the part that follows the route, where branches come
    together; as the last part of a flow each branch ends in its sink. An empty list flows on as it is.

    Args:
        function: From the payload to the key of its branch; called on the loop, so it must not block.
            `Drop` filters the message out.
        branches: By key.
        default: The branch for every other key; without it such a message is dead-lettered.
        name: In statistics and errors; default the function's name.

    Raises:
        ConfigError: There is no branch, or the function must be awaited.
    """
    if not isinstance(branches, Mapping):
        text = f"expected branches as a mapping from key to branch, got {branches!r}"
        raise ConfigError((Problem("<python>", 0, name or "route", text),))
    named = as_stage(function).name
    made = _fork_stage(function, name or ("route" if named == "lambda" else named))
    chains = [(key, _parts(branch)) for key, branch in branches.items()]
    if default is not None:
        chains.append((ELSE, _parts(default)))
    return Fork(made, function, _some(made.name, chains))


@overload
def tee(*branches: Ending[T], name: str = "tee") -> Giving[T, None]: ...  # type: ignore[overload-overlap] # the first that fits is meant: an end is a branch, too


@overload
def tee(*branches: Ending[T] | list[Never], name: str = "tee") -> Passing[T]: ...  # type: ignore[overload-overlap] # the first that fits is meant: an end is a branch, too


@overload
def tee(branch: Ending[T], other: Callable[[T], R], /, *, name: str = "tee") -> Giving[T, R]: ...


@overload
def tee(branch: Callable[[T], R], other: Ending[T], /, *, name: str = "tee") -> Giving[T, R]: ...


@overload
def tee(
    branch: Ending[T], other: Ending[T], third: Callable[[T], R], /, *, name: str = "tee"
) -> Giving[T, R]: ...


@overload
def tee(*branches: Branch[T], name: str = "tee") -> Fork[T]: ...


def tee(*branches: Branch[Any], name: str = "tee") -> Fork[Any]:
    """Send each message to all of several branches.

    A source message is acknowledged when what came of it has ended in every branch, and counts as
    dead if it is dead in one. The branches share the payload: none of them may change it in place.
    A branch is what it is for `route`; `tee(archive, [])` sends a copy to the archive and flows on.

    Raises:
        ConfigError: There is no branch.
    """
    made = _fork_stage(_same, name)
    chains: list[tuple[Hashable, Parts]] = [
        (number, _parts(branch)) for number, branch in enumerate(branches, start=1)
    ]
    return Fork(made, None, _some(name, chains))


def merge(*sources: Chain[T] | Source[T] | AsyncIterable[T] | Iterable[T]) -> Merge[T]:
    """Several sources as one; messages come as they come, and a full channel holds all of them back.

    Of a flow given here the source and the stages are taken; how they are run says the outer flow.
    Ids begin with the number of the source.

    Raises:
        ConfigError: There is no source.
    """
    if not sources:
        raise ConfigError((Problem("<python>", 0, "merge", "expected at least one source"),))
    return Merge(sources)


def _parts(branch: Any) -> Parts:
    return tuple(branch) if isinstance(branch, (list, tuple)) else (branch,)


def _some(name: str, chains: list[tuple[Hashable, Parts]]) -> tuple[tuple[Hashable, Parts], ...]:
    if not chains:
        raise ConfigError((Problem("<python>", 0, name, "expected at least one branch"),))
    return tuple(chains)


def _same(payload: Any) -> Any:
    return payload


def _fork_stage(function: Any, name: str) -> Stage[..., Any]:
    stage = as_stage(function)
    if stage.is_async or stage.expands:
        text = (
            "a route's function is called on the loop and must give the key at once; "
            "await what it needs in a stage before it"
        )
        raise ConfigError((Problem("<python>", 0, name, text),))
    return stage.renamed(name).on_loop()
