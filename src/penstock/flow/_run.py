"""One run of a flow: the coordinator, and the handle by which others watch and end it."""

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self

from penstock.base import Clock, parse_duration
from penstock.flow._assembly import assemble, pumps_of
from penstock.flow._budgets import Budgets
from penstock.flow._dead_letters import dead_letters_of
from penstock.flow._errors import ErrorBudgetError
from penstock.flow._explain import explain_mermaid
from penstock.flow._outcome import Ledger
from penstock.flow._plan import FlowPlan
from penstock.flow._progress import Exporter, Observer, observe
from penstock.flow._report import DeadLimitError, Ending, FlowFailedError, FlowReport
from penstock.flow._resume import checkpointer_of
from penstock.flow._snapshot import snapshot, verify
from penstock.flow._source import Source, source_of
from penstock.flow._statistics import FlowStatistics


class RunningFlow:
    """A flow at work. Leave it by `async with`, or wait for its end with `wait`.

    `drain` finishes what is inside, `cancel` ends now; both may be called at any time, any number
    of times, before the start and after the end, and from the loop's thread only.
    """

    def __init__(
        self,
        plan: FlowPlan,
        observer: Observer | None = None,
        exporter: Exporter | None = None,
    ) -> None:
        self._plan = plan
        self._observer = observer
        self._exporter = exporter
        self._clock: Clock = plan.options.clock
        self._changed = asyncio.Event()
        self._checkpointer = checkpointer_of(plan)
        self._sources: Sequence[Source[Any]] = (
            [source_of(origin.source, plan.options.name) for origin in plan.origins]
            if self._checkpointer is None
            else self._checkpointer.resumed()
        )
        self._letters = dead_letters_of(plan.options.dead_letters, plan.options.name)
        self._ledger = Ledger(
            plan.options.name,
            self._sources,
            self._letters,
            self._clock,
            early=plan.options.early_ack,
        )
        self._ledger.changed = self._changed.set
        self._ledger.checkpointer = self._checkpointer
        if self._checkpointer is not None:
            self._checkpointer.at_risk = lambda: self._ledger.at_risk
        self._group = asyncio.TaskGroup()
        self._aside = ExitStack()
        self._stages = assemble(plan, self._ledger, self._group, self._effects())
        self._works = [stage.work for stage in self._stages]
        self._ledger.budgets = self._budgets = Budgets(
            plan.options.budgets,
            [work.meter for work in self._works],
            lambda: self._ledger.delivered,
            self._clock,
        )
        self._pumps = pumps_of(plan, self._sources, self._ledger, self._works)
        self._drain_asked = self._cancel_asked = self._draining = self._ending = False
        self._deadline: asyncio.Task[None] | None = None
        self._started_at = self._clock.monotonic()
        if exporter is not None:
            exporter.start(self.statistics)
        self._coordinator = asyncio.create_task(self._coordinate(), name=plan.options.name)

    async def wait(self) -> FlowReport:
        """Return when the flow has ended.

        Raises:
            FlowFailedError: It ended by a fatal error, of a stage, the source, the sink, or ours.
        """
        return await asyncio.shield(self._coordinator)

    async def drain(self, deadline: object = None) -> FlowReport:
        """Stop pulling, finish what is inside, flush, commit, close.

        Args:
            deadline: Longest time (`30s`); what is not done then is cancelled. None waits for ever.

        Raises:
            FlowFailedError: As `wait`.
        """
        self.begin_drain(None if deadline is None else parse_duration(deadline).total_seconds())
        return await self.wait()

    async def stop(self) -> FlowReport:
        """Drain within the flow's `drain_timeout`, then end."""
        return await self.drain(self._plan.options.drain_timeout)

    async def cancel(self) -> FlowReport:
        """End now: nothing more is acknowledged, and the source is handed back what is in flight."""
        self.begin_cancel()
        return await self.wait()

    def begin_drain(self, seconds: float | None) -> None:
        """Ask for a drain without waiting for it, as a signal handler must."""
        self._drain_asked = True
        if seconds is not None and self._deadline is None and not self._ending:
            self._deadline = asyncio.create_task(self._expire(seconds), name="drain deadline")
        self._changed.set()

    def begin_cancel(self) -> None:
        """Ask for a cancel without waiting for it."""
        self._cancel_asked = True
        self._changed.set()

    def statistics(self) -> FlowStatistics:
        """The flow at this instant, frozen."""
        elapsed = self._clock.monotonic() - self._started_at
        return snapshot(self._ledger, self._works, self._pumps, elapsed)

    def explain(self) -> str:
        """The graph for Mermaid, with the figures of this instant: rate, share of time busy, what waits."""
        return explain_mermaid(self._plan, self.statistics())

    def verify(self) -> None:
        """Cheaply check what must hold between any two steps of the loop, as a simulation does.

        Raises:
            FlowError: Outcomes do not add up, or a channel holds more than it may: an error of ours.
        """
        verify(self._ledger, self._works, self._pumps)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None:
            self.begin_cancel()
        await asyncio.wait([self._coordinator])
        if error is None:
            self._coordinator.result()

    async def _expire(self, seconds: float) -> None:
        await self._clock.sleep(seconds)
        self.begin_cancel()

    async def _coordinate(self) -> FlowReport:
        """One loop with fixed priorities: shutdown, completions, and last the end of the work."""
        work = asyncio.create_task(self._work(), name=f"{self._plan.options.name}/work")
        work.add_done_callback(lambda _: self._changed.set())
        failure: BaseException | None = None
        try:
            while not work.done():
                await self._changed.wait()
                self._changed.clear()
                if self._cancel_asked:
                    work.cancel()
                elif self._drain_asked:
                    self._begin_drain()
                await self._ledger.acknowledge()
        except BaseException as error:  # noqa: BLE001 - re-raised below, after the work has ended
            failure = error
            work.cancel()
        await asyncio.wait([work])
        if not work.cancelled() and work.exception() is not None:
            failure = failure or _first(work.exception())
        return await self._end(failure, cancelled=work.cancelled())

    def _begin_drain(self) -> None:
        if not self._draining:
            self._draining = True
            for pump in self._pumps:
                pump.drain()
            for work in self._works:
                work.drain()

    async def _work(self) -> None:
        if self._checkpointer is not None:
            await self._checkpointer.open()
        async with self._group as group:
            self._changed.set()
            ends = [
                group.create_task(stage.run(), name=f"{stage.work.stage.name}/end")
                for stage in self._stages
            ]
            for pump in self._pumps:
                group.create_task(pump.run(), name="source")
            aside = [group.create_task(self._watch(), name="progress")]
            if self._checkpointer is not None:
                aside.append(group.create_task(self._checkpointer.run(), name="checkpoint"))
            await asyncio.wait(ends)
            for task in aside:
                task.cancel()

    async def _watch(self) -> None:
        if self._observer is not None:
            await observe(self.statistics, self._observer, self._clock)

    def _effects(self) -> str:
        """Where effects are recorded: for the run alone, unless the flow says where."""
        directory = self._plan.options.once
        if directory is not None or not any(stage.takes_context for stage in self._plan.stages):
            return directory or ""
        return self._aside.enter_context(TemporaryDirectory(prefix="penstock-once-"))

    def _overspent(self) -> ErrorBudgetError | None:
        """What the last look at the error budget finds."""
        try:
            self._budgets.check(ended=True)
        except ErrorBudgetError as error:
            return error
        return None

    async def _end(self, failure: BaseException | None, *, cancelled: bool) -> FlowReport:
        self._ending = True
        if self._deadline is not None:
            self._deadline.cancel()
            await asyncio.wait([self._deadline])
        for close in (
            self._ledger.close,
            *(stage.pool.aclose for stage in self._stages),
            *([self._checkpointer.aclose] if self._checkpointer else []),
            *(source.aclose for source in self._sources),
        ):
            try:
                await close()
            except Exception as error:  # noqa: BLE001 - the first failure is reported, after all is closed
                failure = failure or error
        self._aside.close()
        if self._exporter is not None:
            self._exporter.stop()
        if isinstance(failure, asyncio.CancelledError):
            raise failure
        ending: Ending = (
            "cancelled" if cancelled else "drained" if self._drain_asked else "finished"
        )
        if failure is None and not cancelled:
            failure = self._overspent()
        report = FlowReport(
            flow=self._plan.options.name,
            ending="failed" if failure else ending,
            statistics=self.statistics(),
            acked=self._ledger.taken if self._ledger.early else self._ledger.acked,
            letters=self._letters,
            lost=self._ledger.at_risk,
        )
        if failure is not None:
            kind = DeadLimitError if isinstance(failure, ErrorBudgetError) else FlowFailedError
            raise kind(
                self._plan.options.name, f"{type(failure).__name__}: {failure}", report
            ) from failure
        return report


def _first(error: BaseException | None) -> BaseException | None:
    """The error at the root of a group."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
