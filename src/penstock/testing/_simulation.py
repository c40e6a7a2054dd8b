"""A flow in virtual time: reordered, hurt, stopped and crashed as a seed says, and started again until it ends."""

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

from penstock.base import PenstockError
from penstock.flow import FatalError, Flow, FlowFailedError, FlowReport, RunningFlow
from penstock.testing._fault_plan import FaultPlan, FaultySource, InjectedError, faulty_stage
from penstock.testing._simulated_loop import CrashedError, SimulatedLoop

_FAULTY_LIVES = 4
_LATEST = 3000
_ENDS = ("drain", "stop", "cancel", "caller", "crash")
Ending = Literal["finished", "drained", "cancelled", "failed", "crashed"]


class SimulationError(PenstockError):
    """Something that must hold did not; the message says what, when, and how to see it again."""


@dataclass(frozen=True, slots=True)
class Life:
    """One run of the flow, from a start to whatever ended it."""

    ending: Ending
    report: FlowReport | None
    """None after a crash, and where the caller was cancelled."""
    acked: tuple[str, ...]
    nacked: tuple[str, ...]
    seconds: float
    """Virtual ones."""
    steps: int


@dataclass(frozen=True)
class Simulation:
    """What happened; the last life has finished, and every item was acknowledged once."""

    seed: int
    lives: tuple[Life, ...]

    @property
    def report(self) -> FlowReport:
        """Of the last life."""
        return cast("FlowReport", self.lives[-1].report)


def simulate(
    flow: Flow[Any],
    items: Sequence[Any],
    *,
    seed: int,
    faults: FaultPlan | None = None,
    on_ack: Callable[[str], object] = lambda _: None,
) -> Simulation:
    """Run `flow` over `items` in virtual time, again and again until nothing is left unacknowledged.

    Everything is drawn from `seed`: which task goes on, what fails, when the run is drained, stopped,
    cancelled or crashes. After each step of the loop outcomes must add up and channels be within
    their bounds; each item is acknowledged once over all lives; no task is left behind. The same
    seed gives the same history. The first lives are the faulty ones; then the plan's `source`, `sink`
    and `interrupt` rest, so that the flow comes to its end.

    What stage functions and a sink keep outside the run is not lost by a crash, unlike in a real one.

    Args:
        flow: Its source is replaced, its clock and seed too; only async stages run in virtual time.
        items: What the source gives; those unacknowledged again after a restart, with the same ids.
        seed: Of the history.
        faults: What goes wrong how often; default `FaultPlan()`.
        on_ack: Called with the id of each message when it is acknowledged, for checks of your own by `assert`.

    Raises:
        SimulationError: Something that must hold did not, or a stage needs threads or processes.
    """
    refused = [one.name for one in flow.stages if one.options.pool != "async"]
    if refused:
        raise SimulationError(
            f"stages {', '.join(refused)} of flow {flow.name!r} run in threads or processes, which have "
            "no virtual time; replace them by `with_stage(name, stage(pool='async')(function))`"
        )
    history = _History(flow, list(items), seed, faults or FaultPlan(), on_ack)
    return history.run()


@dataclass
class _History:
    flow: Flow[Any]
    items: list[Any]
    seed: int
    plan: FaultPlan
    on_ack: Callable[[str], object]
    acked: set[str] = field(default_factory=set)
    lives: list[Life] = field(default_factory=list)

    def run(self) -> Simulation:
        while True:
            calm = len(self.lives) >= _FAULTY_LIVES
            life = _Life(self, len(self.lives), calm=calm)
            try:
                self.lives.append(life.live())
            except (PenstockError, AssertionError) as error:
                raise SimulationError(
                    f"seed {self.seed}, life {len(self.lives)}, step {life.loop.steps:,}: {error}"
                ) from error
            if self.lives[-1].ending == "finished":
                return Simulation(self.seed, tuple(self.lives))
            if calm:
                raise SimulationError(
                    f"seed {self.seed}: a life without faults ended as {self.lives[-1].ending}"
                )


class _Life:
    """One run, and what must hold in it and after it."""

    def __init__(self, history: _History, number: int, *, calm: bool) -> None:
        most = 50_000 + 2_000 * len(history.items)
        self.loop = SimulatedLoop(history.seed * 8 + number, most_steps=most)
        self._history = history
        draw, plan = self.loop.draw, history.plan
        if calm:
            plan = replace(plan, source=0.0, sink=0.0, interrupt=0.0)
        left = [place for place in range(len(history.items)) if str(place) not in history.acked]
        self.source = _HeardSource([history.items[place] for place in left], left, plan, draw)
        self.source.on_ack = history.on_ack
        self._flow = _faulty(history.flow, plan, draw).with_source(self.source)
        self._flow = self._flow.with_clock(self.loop.clock, seed=history.seed)
        self._end = "" if draw() >= plan.interrupt else _ENDS[int(draw() * len(_ENDS))]
        self._end_at = int(math.exp(draw() * math.log(_LATEST)))
        self._running: RunningFlow | None = None
        self._main: asyncio.Task[Any] | None = None
        self.loop.after_step = self._look

    def live(self) -> Life:
        """Run to the end, whatever it is."""
        report: FlowReport | None = None
        ending: Ending = "crashed"
        crash_after = self._end_at if self._end == "crash" else None
        try:
            report = self.loop.run(self._run(), crash_after=crash_after)
            ending = report.ending
        except FlowFailedError as error:
            if not isinstance(error.__cause__, (InjectedError, FatalError)):
                raise
            report, ending = error.report, "failed"
        except asyncio.CancelledError:
            if self._end != "caller":
                raise SimulationError("it was cancelled, and nobody had asked for that") from None
            ending = "cancelled"
        except CrashedError:
            pass
        if ending != "crashed":
            self._check_end(report, ending)
        self._history.acked.update(self.source.acked)
        self.loop.close()
        return Life(
            ending, report, tuple(self.source.acked), tuple(self.source.nacked),
            self.loop.time(), self.loop.steps,
        )  # fmt: skip

    async def _run(self) -> FlowReport:
        self._main = asyncio.current_task()
        async with self._flow.start() as running:
            self._running = running
            return await running.wait()

    def _look(self) -> None:
        if self._running is None:
            return
        self._running.verify()
        if self.source.wrongs:
            raise SimulationError(self.source.wrongs[0])
        if self.loop.steps == self._end_at and self._end != "crash":
            self._interrupt(self._running)

    def _interrupt(self, running: RunningFlow) -> None:
        if self._end == "drain":
            running.begin_drain(None)
        elif self._end == "stop":
            self.loop.call_soon(running.begin_drain, self.loop.draw() * 20)
        elif self._end == "cancel":
            running.begin_cancel()
        elif self._end == "caller" and self._main is not None:
            self._main.cancel()

    def _check_end(self, report: FlowReport | None, ending: str) -> None:
        source = self.source
        if self.loop.pending:
            raise SimulationError(f"tasks are left: {', '.join(self.loop.pending)}")
        if self.loop.failures:
            raise SimulationError(f"nobody looked at an error: {self.loop.failures[0]}")
        if source.closed != 1:
            raise SimulationError(f"the source was closed {source.closed} times")
        told = {*source.acked, *source.nacked, *source.unheard}
        if told != source.given and not (ending == "failed" and source.unheard):
            missing = sorted(source.given - told)
            raise SimulationError(f"neither acknowledged nor handed back: {', '.join(missing)}")
        if report is not None and report.acked != len(source.acked):
            raise SimulationError(
                f"the report counts {report.acked} acks, there were {len(source.acked)}"
            )
        if ending == "finished" and source.nacked:
            raise SimulationError(f"finished, and handed back {', '.join(source.nacked)}")


class _HeardSource(FaultySource):
    """Tells of each ack."""

    on_ack: Callable[[str], object]

    async def ack(self, messages: Sequence[Any]) -> None:
        before = len(self.acked)
        await super().ack(messages)
        for id in self.acked[before:]:  # noqa: A001 - the field's word
            try:
                self.on_ack(id)
            except AssertionError as error:
                self.wrongs.append(str(error))


def _faulty(flow: Flow[Any], plan: FaultPlan, draw: Callable[[], float]) -> Flow[Any]:
    for one in flow.stages:
        flow = flow.with_stage(one.name, faulty_stage(one, plan, draw))
    return flow
