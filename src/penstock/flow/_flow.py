"""The flow as a user writes it: a value, joined by bars, run through one of two doors."""

import asyncio
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Iterable,
    Iterator,
)
from pathlib import Path
from typing import Any, Literal, Never, TypeVar, overload

from msgspec.structs import replace

from penstock.base import Clock, SystemClock, parse_duration, parse_size
from penstock.flow._branch import Chain, Fork, Giving, Merge, Passing
from penstock.flow._budgets import BudgetOptions
from penstock.flow._checkpoint import Checkpoint, checkpoint_of
from penstock.flow._errors import FlowError
from penstock.flow._explain import explain_mermaid, explain_text
from penstock.flow._message import Drop
from penstock.flow._plan import FlowOptions, FlowPlan
from penstock.flow._planning import Replacement, plan_of
from penstock.flow._pool_caller import Results
from penstock.flow._progress import Observer, exporter_of, observer_of
from penstock.flow._report import FlowReport
from penstock.flow._run import RunningFlow
from penstock.flow._signals import handle_signals
from penstock.flow._sink import Sink
from penstock.flow._source import Source
from penstock.flow._stage import BatchStage, Stage, as_stage
from penstock.flow._stream import FlowStream
from penstock.flow._threaded import FlowThread

T_co = TypeVar("T_co", covariant=True)
U = TypeVar("U")


class NoSource:
    """The type of what flows where no source is given yet."""


class Flow(Chain[T_co]):
    """A source, stages and a sink, joined by bounded channels; `route`, `tee` and `merge` make it a graph.

    Promises: each message that the source gives ends exactly once, as delivered, filtered or dead
    lettered, or is handed back; a full channel holds its upstream back; nothing outlives the run.
    A flow is a value: `|` and `with_stage` give new ones, and it can be run any number of times
    as far as its source can.

    >>> rows = []
    >>> report = (Flow("squares") | range(3) | (lambda number: number * number) | rows.append).run()
    >>> rows, report.delivered
    ([0, 1, 4], 3)
    """

    def __init__(  # noqa: PLR0913 - options of a value, all by keyword
        self: "Flow[NoSource]",
        name: str,
        *,
        capacity: int = 1024,
        capacity_bytes: object = "64MiB",
        dead_letters: Any = None,
        drain_timeout: object = "30s",
        clock: Clock | None = None,
        seed: int | None = None,
        checkpoint: Checkpoint | str | Path | None = None,
        ack: Literal["late", "early"] = "late",
        retry_budget: float | None = None,
        max_dead: int | None = None,
        max_dead_ratio: float | None = None,
        once: str | Path | None = None,
    ) -> None:
        """Name a flow.

        Args:
            name: In statistics, errors and file names.
            capacity: Most messages that wait before a stage, unless the stage says otherwise.
            capacity_bytes: Most bytes that wait before a stage.
            dead_letters: A directory (`<name>.ndjson`, synced), or a function that is given each
                `DeadLetter` before its message is settled; default the last 1,000, in memory.
            drain_timeout: Longest time that `stop` and the first signal give to work in progress.
            clock: Time for everything that waits.
            seed: Makes the jitter of retries repeatable.
            checkpoint: A directory in which progress is kept, so that another run goes on where this one
                ended, however it ended; a `Checkpoint` says how often. An iterable must then give the
                same items again, see `resumable`.
            ack: `late` acknowledges a source message when all that came of it is settled: at least once.
                `early` when it enters the channel of the first stage, before any work on it: at most once;
                the report counts what was `lost`, and that stage's `capacity` bounds what a crash may cost.
            retry_budget: Most retries per message that came through (`0.2`), over the last ten seconds,
                beyond 100 that are always allowed; what fails then becomes a dead letter at once.
            max_dead: Most dead letters; one more ends the flow.
            max_dead_ratio: Most dead letters per message that has ended (`0.01`); looked at from 100
                messages and from 1 / `max_dead_ratio` messages on, and at the end of the flow.
            once: A directory in which `ctx.once` records what is done, see `Context`; default one that
                lasts as long as the run.
        """
        if capacity < 1:
            raise FlowError(f"expected capacity >= 1, got {capacity}")
        if ack not in ("late", "early"):
            raise FlowError(f"expected ack to be late or early, got {ack!r}")
        super().__init__(())
        self._options = FlowOptions(
            name=name,
            capacity=capacity,
            capacity_bytes=parse_size(capacity_bytes),
            dead_letters=dead_letters,
            drain_timeout=parse_duration(drain_timeout).total_seconds(),
            clock=clock or SystemClock(),
            seed=seed,
            early_ack=ack == "early",
            budgets=BudgetOptions(retry_budget, max_dead, max_dead_ratio),
            once=None if once is None else str(Path(once).absolute()),
            checkpoint=checkpoint_of(checkpoint),
        )

    @overload
    def __or__(self: "Flow[NoSource]", part: Merge[U]) -> "Flow[U]": ...
    @overload
    def __or__(self: "Flow[NoSource]", part: Source[U]) -> "Flow[U]": ...
    @overload
    def __or__(self: "Flow[NoSource]", part: AsyncIterable[U]) -> "Flow[U]": ...
    @overload
    def __or__(self: "Flow[NoSource]", part: Iterable[U]) -> "Flow[U]": ...
    @overload
    def __or__(self, part: Passing[T_co]) -> "Flow[T_co]": ...
    @overload
    def __or__(self, part: Giving[T_co, None]) -> "Flow[Never]": ...
    @overload
    def __or__(self, part: Giving[T_co, Coroutine[Any, Any, U | Drop | None]]) -> "Flow[U]": ...
    @overload
    def __or__(self, part: Giving[T_co, AsyncIterator[U | Drop | None]]) -> "Flow[U]": ...
    @overload
    def __or__(self, part: Giving[T_co, Iterator[U | Drop | None]]) -> "Flow[U]": ...
    @overload
    def __or__(self, part: Giving[T_co, U | Drop | None]) -> "Flow[U]": ...
    @overload
    def __or__(self, part: Fork[T_co]) -> "Flow[Any]": ...
    @overload
    def __or__(self, part: BatchStage[T_co, Never, Any]) -> "Flow[Never]": ...
    @overload
    def __or__(self, part: BatchStage[T_co, U | Drop | None, Any]) -> "Flow[U]": ...
    @overload
    def __or__(self, part: Callable[[T_co], None]) -> "Flow[Never]": ...
    @overload
    def __or__(self, part: Callable[[T_co], Awaitable[None]]) -> "Flow[Never]": ...
    @overload
    def __or__(self, part: Sink[T_co]) -> "Flow[Never]": ...
    @overload
    def __or__(self, part: Callable[[T_co], Awaitable[U | Drop | None]]) -> "Flow[U]": ...
    @overload
    def __or__(self, part: Callable[[T_co], AsyncIterator[U | Drop | None]]) -> "Flow[U]": ...
    @overload
    def __or__(self, part: Callable[[T_co], Iterator[U | Drop | None]]) -> "Flow[U]": ...
    @overload
    def __or__(self, part: Callable[[T_co], U | Drop | None]) -> "Flow[U]": ...

    def __or__(self, part: Any) -> "Flow[Any]":
        """The flow with one more part: first the source, then stages, last the sink.

        A type checker follows what flows: a stage must take what the part before it gives.
        """
        return self._with((*self.parts, part))

    def __repr__(self) -> str:
        return " | ".join([f"Flow({self.name!r})", *map(_label, self.parts)])

    def _with(self, parts: tuple[Any, ...]) -> "Flow[Any]":
        made: Flow[Any] = Flow.__new__(Flow)
        made._options, made.parts = self._options, parts
        return made

    @property
    def name(self) -> str:
        """As given."""
        return self._options.name

    def with_stage(self, name: str, other: Any) -> "Flow[T_co]":
        """The flow with another function, stage or sink in the place of the stage `name`, also in a branch.

        Raises:
            FlowError: There is no such stage; the message lists those there are.
        """
        plan = self._plan()
        names = [stage.name for stage in plan.stages]
        if name not in names:
            raise FlowError(
                f"flow {self.name!r} has no stage {name!r}; there are: {', '.join(names)}"
            )

        def change(part: Any) -> Any:
            if isinstance(part, Fork):
                return part.with_function(other)
            return as_stage(other).renamed(name)

        return self._with(Replacement(names.index(name), change).flow(self.parts))

    def with_source(self, source: Any) -> "Flow[T_co]":
        """The flow with another source, for tests of its stages."""
        return self._with((source, *self.parts[1:]))

    def with_clock(self, clock: Clock, *, seed: int | None = None) -> "Flow[T_co]":
        """The flow in another time, and with jitter from `seed`: for tests and simulations."""
        made = self._with(self.parts)
        made._options = replace(self._options, clock=clock, seed=seed)  # noqa: SLF001 - of the same class
        return made

    @property
    def stages(self) -> tuple[Stage[..., Any], ...]:
        """Its stages and sinks as they were written, without the forks, under the names of its statistics.

        Raises:
            ConfigError: The flow is not one.
        """
        return tuple(node.stage for node in self._plan().nodes if node.fork is None)

    def explain(self, form: Literal["text", "mermaid"] = "text") -> str:
        """How the flow will run: as text, or as a graph for Mermaid."""
        return explain_text(self._plan()) if form == "text" else explain_mermaid(self._plan())

    def start(self, *, progress: "bool | Observer" = False, metrics: Any = None) -> RunningFlow:
        """Start it on the running loop: `async with flow.start() as running: ...`.

        Args:
            progress: True shows the state every second on standard error: a table drawn over itself on
                a terminal, plain lines elsewhere. A function is called with `FlowStatistics` instead.
            metrics: A `penstock.telemetry.Metrics` to export to, or an address (`127.0.0.1:9464`) on
                which the flow's metrics are served while it runs, for Prometheus and `penstock top`;
                True takes a free port of this machine, where `penstock top` finds it.

        Raises:
            AddressError: The address cannot be listened on; nothing was started.
        """
        return RunningFlow(self._plan(), observer_of(progress), exporter_of(metrics))

    async def run_async(
        self, *, progress: "bool | Observer" = False, metrics: Any = None
    ) -> FlowReport:
        """Run to the end; cancelling the caller cancels the flow.

        Raises:
            ConfigError: The flow is not one.
            FlowFailedError: It ended by a fatal error.
        """
        async with self.start(progress=progress, metrics=metrics) as running:
            return await running.wait()

    def run(self, *, progress: "bool | Observer" = False, metrics: Any = None) -> FlowReport:
        """Run to the end from plain code, also where a loop is running already, as in a notebook.

        In the main thread the first SIGINT (Ctrl-C) or SIGTERM drains the flow, the second cancels it; the
        report is returned all the same.

        Raises:
            ConfigError: The flow is not one.
            FlowFailedError: It ended by a fatal error.
        """
        if not _on_a_loop():
            return asyncio.run(self._run_with_signals(progress, metrics))
        thread = FlowThread(lambda: self.start(progress=progress, metrics=metrics))
        with thread.signals(self._options.drain_timeout):
            thread.start()
            return thread.wait()

    def stream(
        self, *, progress: "bool | Observer" = False, metrics: Any = None
    ) -> FlowStream[T_co]:
        """Iterate over the results of a flow without a sink, with `for` or `async for`.

        Raises:
            ConfigError: The flow is not one, or ends in a sink.
        """

        def start(results: Results) -> RunningFlow:
            return RunningFlow(
                self._plan(results.stage()), observer_of(progress), exporter_of(metrics)
            )

        self._plan(Results().stage())
        return FlowStream(start)

    async def _run_with_signals(self, progress: "bool | Observer", metrics: Any) -> FlowReport:
        async with self.start(progress=progress, metrics=metrics) as running:
            with handle_signals(running, self._options.drain_timeout):
                return await running.wait()

    def _plan(self, caller: Stage[..., Any] | None = None) -> FlowPlan:
        return plan_of(self._options, self.parts, caller)


def _on_a_loop() -> bool:
    """Whether this thread runs an event loop, as a notebook does."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _label(part: Any) -> str:
    """What a part is called where a flow is shown."""
    if isinstance(part, Fork):
        return part.stage.name
    if isinstance(part, Stage):
        return part.name
    return str(getattr(part, "__name__", type(part).__name__))
