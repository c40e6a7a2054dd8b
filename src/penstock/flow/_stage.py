"""A stage: a function, and how the flow is to run it."""

import inspect
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from functools import cached_property, partial
from types import BuiltinFunctionType
from typing import (
    Any,
    Generic,
    Literal,
    Never,
    ParamSpec,
    Protocol,
    TypedDict,
    TypeVar,
    Unpack,
    cast,
    overload,
)

from msgspec import field
from msgspec.structs import replace

from penstock.base import ConfigError, Problem, RetryPolicy, Value, parse_duration, parse_size
from penstock.flow._control_groups import ControlGroups
from penstock.flow._order import Key, Order
from penstock.flow._rate import RateLimit
from penstock.flow._sink import Sink

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
U = TypeVar("U")
T_contra = TypeVar("T_contra", contravariant=True)
U_co = TypeVar("U_co", covariant=True)
Pool = Literal["async", "thread", "process"]
_POOLS = ("async", "thread", "process")
_ORDERS = ("none", "input")
_COLLECT = frozenset({"append", "appendleft", "add", "extend", "update"})
_BATCH_WAIT = 1.0
_MOST_AUTO = 32
_LEAST_MEMORY = 64 << 20


class StageOptions(Value):
    """How a stage is run, checked; durations in seconds, sizes in bytes."""

    name: str
    pool: Pool | Literal["caller"] = "async"
    workers: int = 1
    auto: bool = False
    """Whether the number of workers was chosen for this machine."""

    retry: RetryPolicy = field(default_factory=RetryPolicy)
    timeout: float | None = None
    memory: int | None = None
    chunk: int = 256
    batch: int = 0
    batch_bytes: int = 0
    within: float = _BATCH_WAIT
    idle: float | None = None
    capacity: int | None = None
    capacity_bytes: int | None = None
    streaming: bool = False
    collective: bool = False
    order: Order = "none"
    rate: RateLimit | str | None = None
    sink: bool = False

    @property
    def batched(self) -> bool:
        """Whether the function gets a list."""
        return bool(self.batch or self.batch_bytes)


class Stage(Value, Generic[P, R], dict=True):
    """A function with its options; still callable as the function it is, so it is tested as one."""

    function: Callable[P, R]
    options: StageOptions

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.function(*args, **kwargs)

    @property
    def name(self) -> str:
        """Its name in the flow, the function's unless given."""
        return self.options.name

    @cached_property
    def expands(self) -> bool:
        """Whether it makes any number of messages of one: the function is a generator."""
        return inspect.isgeneratorfunction(_unwrapped(self.function)) or self.is_async_generator

    @cached_property
    def is_async_generator(self) -> bool:
        """Whether it is an `async def` with `yield`."""
        return inspect.isasyncgenfunction(_unwrapped(self.function))

    @cached_property
    def is_async(self) -> bool:
        """Whether calling it gives something to await."""
        return _is_coroutine_function(self.function)

    @property
    def ends(self) -> bool:
        """Whether nothing can follow it, wherever it stands: it says so, or it is a `Sink`."""
        return self.options.sink or isinstance(self.function, Sink)

    @cached_property
    def gives_nothing(self) -> bool:
        """Whether it can be seen that it has no results: as `list.append`, `print`, or what is annotated so."""
        work = _unwrapped(self.function)
        if isinstance(work, BuiltinFunctionType):
            collects = isinstance(work.__self__, (list, set, deque, dict))
            return work is print or (collects and work.__name__ in _COLLECT)
        return getattr(work, "__annotations__", {}).get("return", ...) in (None, "None")

    def on_loop(self) -> "Stage[P, R]":
        """The same stage, run on the loop."""
        return replace(self, options=replace(self.options, pool="async"))

    @cached_property
    def takes_context(self) -> bool:
        """Whether it names a parameter `ctx`."""
        try:
            return "ctx" in inspect.signature(self.function).parameters
        except (ValueError, TypeError):
            # Some builtins have no signature to look at, and a Sink is not called.
            return False

    def renamed(self, name: str) -> "Stage[P, R]":
        """The same stage under another name."""
        return replace(self, options=replace(self.options, name=name))


class BatchStage(Stage[[list[T_contra]], R], Generic[T_contra, U_co, R]):
    """A stage whose function gets a list of `T_contra`, and makes messages of type `U_co`."""


class StageKeywords(TypedDict, total=False):
    """The options of a stage but for those that make it one of batches; `stage` says what they mean."""

    name: str | None
    pool: Pool | None
    workers: int | Literal["auto"]
    retry: RetryPolicy | None
    timeout: object
    memory: object
    chunk: int
    within: object
    idle: object
    capacity: int | None
    capacity_bytes: object
    streaming: bool
    collective: bool
    order: Order
    rate: RateLimit | str | None
    sink: bool


class OfBatches(Protocol):
    """What makes stages of functions over lists; their results are those of the list's messages."""

    @overload
    def __call__(self, function: Callable[[list[T]], None], /) -> BatchStage[T, Never, None]: ...

    @overload
    def __call__(
        self, function: Callable[[list[T]], Coroutine[Any, Any, None]], /
    ) -> BatchStage[T, Never, Coroutine[Any, Any, None]]: ...

    @overload
    def __call__(
        self, function: Callable[[list[T]], Coroutine[Any, Any, list[U]]], /
    ) -> BatchStage[T, U, Coroutine[Any, Any, list[U]]]: ...

    @overload
    def __call__(
        self, function: Callable[[list[T]], Coroutine[Any, Any, Iterable[U]]], /
    ) -> BatchStage[T, U, Coroutine[Any, Any, Iterable[U]]]: ...

    @overload
    def __call__(
        self, function: Callable[[list[T]], AsyncIterator[U]], /
    ) -> BatchStage[T, U, AsyncIterator[U]]: ...

    @overload
    def __call__(self, function: Callable[[list[T]], list[U]], /) -> BatchStage[T, U, list[U]]: ...

    @overload
    def __call__(
        self, function: Callable[[list[T]], Iterable[U]], /
    ) -> BatchStage[T, U, Iterable[U]]: ...

    def __call__(self, function: Callable[[list[Any]], Any], /) -> Any:
        """Make a stage of a function."""
        ...


@overload
def stage(function: Callable[P, R], /) -> Stage[P, R]: ...


@overload
def stage(
    *, batch: int, batch_bytes: object = None, **options: Unpack[StageKeywords]
) -> OfBatches: ...


@overload
def stage(*, batch_bytes: object, **options: Unpack[StageKeywords]) -> OfBatches: ...


@overload
def stage(**options: Unpack[StageKeywords]) -> Callable[[Callable[P, R]], Stage[P, R]]: ...


def stage(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Make a stage of a function.

    A function gets one payload and returns one result; `None` or `Drop` filters the message out.
    A generator makes any number of messages of one. With `batch` or `batch_bytes` it gets a list and
    returns a list with one result per message.

    Args:
        function: `async def` runs as tasks on the loop, a plain function in threads; `pool` decides otherwise.
        options: By keyword:
            name: In statistics and errors; default the function's name.
            pool: `async` (a plain function then runs on the loop and must not block), `thread` or `process`.
            workers: How many messages, chunks or batches are worked on at a time. `auto`: in processes as
                many as there are processors for this program, by affinity and control group; in threads
                four more than that, at most 32; on the loop 32.
            retry: Which errors are tried again, how often and how soon; default one attempt.
            timeout: Longest time of one attempt (`60s`); a process is killed, a thread abandoned and replaced.
            memory: Most memory of one worker process (`1GiB`): its private writable memory, as the kernel's
                RLIMIT_DATA counts it. Beyond it the function gets a `MemoryError`, or its process dies.
            chunk: Most messages per hop into a thread or process; invisible to the function. While calls are
                quick, several chunks are sent ahead; each is answered by itself.
            batch: Most messages per call; the function gets a list. 0: it gets one payload.
            batch_bytes: Most bytes per call (`8MiB`); the function gets a list. A larger message goes alone.
            within: Longest time that the first message of a batch waits for company (`2s`).
            idle: A batch does not wait on where nothing has come for that long (`50ms`); default it does.
            capacity: Most messages waiting before the stage; default the flow's.
            capacity_bytes: Most bytes waiting before the stage (`64MiB`); default the flow's.
            streaming: Outputs are handed on while the attempt goes on; repeats may then reach the sink.
            collective: Results of a batch belong to the batch as a whole; any number of them.
            order: `input` hands results on in the order of the messages; `key(f)` works on messages of
                one key one after the other; `none` on all as they come.
            rate: Most messages begun per time (`100/s`), or a `RateLimit` that is shared; every attempt
                counts, and a batch counts its messages.
            sink: Messages end here as delivered, and what it returns is dropped; the last part of a flow
                is a sink without saying so, the last of a branch where it can be seen to return nothing.

    Raises:
        ConfigError: All options that are wrong, at once.
    """
    if function is None:
        return partial(_make, options=options)
    return _make(function, options=options)


def _make(work: Any, options: dict[str, Any]) -> Stage[..., Any]:
    is_sink = isinstance(work, Sink)
    called = "a sink" if is_sink else "a function"
    if not (callable(work) or is_sink):
        raise TypeError(f"expected {called} to make a stage of, got {work!r}")
    name = options.get("name") or _name_of(work)
    problems: list[Problem] = []

    def read(key: str, parse: Callable[[Any], Any]) -> None:
        if options.get(key) is None:
            options.pop(key, None)
            return
        try:
            options[key] = parse(options[key])
        except (ValueError, TypeError) as error:
            problems.append(Problem("<python>", 0, f"{name}.{key}", str(error)))

    options = dict(options)
    for key, parse in _PARSERS.items():
        read(key, parse)
    options.setdefault("pool", _default_pool(work, is_sink=is_sink))
    if options.get("workers") == "auto":
        options["workers"], options["auto"] = _auto_workers(options["pool"]), True
    problems += [Problem("<python>", 0, name, text) for text in _conflicts(work, options)]
    if problems:
        raise ConfigError(tuple(problems))
    made = StageOptions(**{**options, "name": name})
    kind: type[Stage[..., Any]] = BatchStage if made.batched else Stage
    return kind(cast("Callable[..., Any]", work), made)


def _at_least(least: int) -> Callable[[Any], int]:
    def parse(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ValueError(f"expected a whole number >= {least}, got {value!r}")
        return value

    return parse


def _workers(value: Any) -> int | Literal["auto"]:
    if value == "auto":
        return "auto"
    try:
        return _at_least(1)(value)
    except ValueError as error:
        raise ValueError(f"{error}; or 'auto'") from None


def _auto_workers(pool: Pool) -> int:
    if pool == "async":
        return _MOST_AUTO
    usable = ControlGroups().usable_cpus()
    # As concurrent.futures has it: some threads wait while others compute.
    return usable if pool == "process" else min(usable + 4, _MOST_AUTO)


def _memory(value: Any) -> int:
    size = parse_size(value)
    if size < _LEAST_MEMORY:
        raise ValueError(f"expected at least 64MiB, which an interpreter takes, got {value!r}")
    return size


def _one_of(allowed: Iterable[str]) -> Callable[[Any], str]:
    def parse(value: Any) -> str:
        if value not in allowed:
            raise ValueError(f"expected one of {', '.join(allowed)}, got {value!r}")
        return str(value)

    return parse


def _order(value: Any) -> Order:
    if isinstance(value, Key):
        return value
    if value not in _ORDERS:
        raise ValueError(f"expected one of {', '.join(_ORDERS)} or key(function), got {value!r}")
    return cast("Order", value)


def _seconds(value: Any) -> float:
    seconds = parse_duration(value).total_seconds()
    if not seconds:
        raise ValueError(f"expected a duration above 0, got {value!r}")
    return seconds


def _some_bytes(value: Any) -> int:
    size = parse_size(value)
    if not size:
        raise ValueError(f"expected a size of at least 1 byte, got {value!r}")
    return size


def _rate(value: Any) -> RateLimit | str:
    # A text makes a limit for each run; only an object is shared.
    return value if isinstance(value, RateLimit) else str(RateLimit(value))


_PARSERS: dict[str, Callable[[Any], Any]] = {
    "pool": _one_of(_POOLS),
    "workers": _workers,
    "retry": RetryPolicy.model_validate,
    "timeout": _seconds,
    "memory": _memory,
    "chunk": _at_least(1),
    "batch": _at_least(0),
    "batch_bytes": _some_bytes,
    "within": _seconds,
    "idle": _seconds,
    "capacity": _at_least(1),
    "capacity_bytes": parse_size,
    "order": _order,
    "rate": _rate,
}


def _conflicts(work: Any, options: dict[str, Any]) -> list[str]:
    made = Stage(work, StageOptions(name=""))
    waits = made.is_async or made.is_async_generator
    batched = bool(options.get("batch") or options.get("batch_bytes"))
    collective, streaming = options.get("collective"), options.get("streaming")
    ordered = options.get("order", "none") != "none"
    rules = (
        (
            waits and options["pool"] != "async",
            f"an async function runs on the loop; remove pool={options['pool']!r}, or use a plain function",
        ),
        (
            options.get("memory") and options["pool"] != "process",
            "memory= limits worker processes; say pool='process', where a worker has memory of its own",
        ),
        (
            streaming and not made.expands,
            "streaming=True needs a generator function: hand results on with `yield`, or remove it",
        ),
        (
            collective and not batched,
            "collective=True needs batch=N or batch_bytes=N, the most per call",
        ),
        (
            options.get("idle") and not batched,
            "idle says when a batch waits no longer; add batch=N or batch_bytes=N",
        ),
        (
            batched and made.expands and not collective,
            "a generator over a batch cannot say which message a result belongs to; say collective=True",
        ),
        (
            streaming and (batched or ordered),
            "streaming=True goes with neither batch nor order",
        ),
        (
            collective and ordered,
            "the results of a collective batch have no order to keep; remove order",
        ),
        (
            isinstance(work, Sink) and ordered,
            "a Sink is given messages as they come, by one worker; remove order",
        ),
        (
            isinstance(work, Sink) and batched,
            "a Sink is given all that waits; remove batch and batch_bytes",
        ),
    )
    return [text for broken, text in rules if broken]


def as_stage(given: Any) -> Stage[..., Any]:
    """The stage that stands for what a user gave: a `Stage`, a function, or a `Sink`."""
    if isinstance(given, Stage):
        return given
    return _make(given, options={})


def _default_pool(work: Any, *, is_sink: bool) -> Pool:
    # `list.append` and its like never wait for anything, so that a thread would be waste.
    if is_sink or isinstance(work, BuiltinFunctionType) or work is print:
        return "async"
    made = Stage(work, StageOptions(name=""))
    return "async" if made.is_async or made.is_async_generator else "thread"


def _name_of(work: Any) -> str:
    while isinstance(work, partial):
        work = work.func
    return str(getattr(work, "__name__", type(work).__name__)).strip("<>")


def _unwrapped(work: Any) -> Any:
    while isinstance(work, partial):
        work = work.func
    if not inspect.isroutine(work) and not inspect.isclass(work) and callable(work):
        return type(work).__call__
    return work


def _is_coroutine_function(work: Any) -> bool:
    return inspect.iscoroutinefunction(_unwrapped(work))
