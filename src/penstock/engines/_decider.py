"""One event, one decision, one transaction: the only way in which a run changes."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final
from weakref import WeakValueDictionary

from penstock.base import Clock
from penstock.engines._bell import Bell
from penstock.engines._values import Values
from penstock.workflow import (
    RunRecord,
    command,
    decide,
    domain,
    errors,
    event,
    executor,
    record,
    resolve,
    states,
    store,
)

_KEPT: Final = 2_000

Place = tuple[str, str]
"""Tenant and run."""

Next = Callable[[store.StoredRun, domain.Decision], Awaitable[store.Onward | None]]
"""Given a run, and a decision on it: what to go on with, if anything."""


class EndBell(Bell):
    """Rung at the end of one run, with the state that it ended in."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._told: RunRecord | None = None

    def tell(self, state: RunRecord) -> None:
        """Ring with what was kept."""
        self._told = state
        self.ring()

    def heard(self) -> RunRecord | None:
        """The latest state that it was rung with, once; None if it was not."""
        told, self._told = self._told, None
        return told


@dataclass
class Bells:
    """Who is to look when a decision was kept."""

    work: Bell
    timers: Bell
    stops: Bell
    admission: Bell
    ends: dict[Place, set[EndBell]] = field(default_factory=dict)
    """Of those who wait for the end of a run."""

    @classmethod
    def of(cls, clock: Clock) -> "Bells":
        """A set of silent bells."""
        return cls(Bell(clock), Bell(clock), Bell(clock), Bell(clock))

    def ring_for(self, place: Place, decision: domain.Decision) -> None:
        """Ring those that this decision, which is kept by now, gives something to do."""
        for asked in decision.commands:
            match asked:
                case command.StartAttempt():
                    self.work.ring()
                case command.SetTimer():
                    self.timers.ring()
                case command.StopAttempt():
                    self.stops.ring()
                case command.AskAdmission():
                    self.admission.ring()
        if decision.state.state.final:
            self.admission.ring()
            for waiting in self.ends.get(place, ()):
                waiting.tell(decision.state)


class Decider:
    """Decides and keeps; answers at once what the kernel wants evaluated.

    Runs are decided on one after the other within this process; another process that was faster is
    noticed by the version, and the decision is made anew.
    """

    def __init__(self, runs: store.Store, values: Values, bells: Bells, clock: Clock) -> None:
        self._runs = runs
        self._values = values
        self._bells = bells
        self._clock = clock
        self._known: OrderedDict[Place, store.StoredRun] = OrderedDict()
        self._locks: WeakValueDictionary[Place, asyncio.Lock] = WeakValueDictionary()

    async def create(self, run: store.StoredRun, happened: event.Submitted) -> bool:
        """Keep a new run; False if there is one of that id."""
        decision = decide(run.record, happened, self._clock.now())
        created = await self._runs.create(run, decision)
        if created:
            place = (run.tenant, run.record.run)
            self._remember(place, run, decision.state)
            self._bells.ring_for(place, decision)
        return created

    async def load(self, tenant: str, run: str) -> store.StoredRun:
        """A run as this process knows it; perhaps not as it is.

        Raises:
            LookupError: There is no such run.
        """
        return self._known.get((tenant, run)) or await self._runs.load(tenant, run)

    def queued(self, tenant: str, run: str) -> RunRecord | None:
        """A run that was submitted here and that this process has not seen admitted; else None."""
        kept = self._known.get((tenant, run))
        queues = kept is not None and kept.record.state is states.RunState.QUEUED
        return kept.record if kept and queues else None

    def tells(self, tenant: str, run: str) -> bool:
        """Whether this process carries the run out, as far as it knows, and so hears of its end."""
        return (tenant, run) in self._known and self.queued(tenant, run) is None

    async def offering(self, place: Place, ref: record.AttemptRef) -> store.StoredRun:
        """The run, no older than the decision that asked for this attempt.

        Another process may have made that decision; the results that the attempt needs came before.
        """
        run = await self.load(*place)
        step = run.record.steps[ref.step]
        unit = step.undo_unit if ref.undo else step.units.get(ref.item)
        if unit is not None and unit.number == ref.number:
            return run
        return await self._runs.load(*place)

    async def happened(
        self,
        place: Place,
        happened: event.Event,
        *,
        lease: store.Lease | None = None,
        result: Any = None,
        artifacts: Sequence[executor.Artifact] = (),
    ) -> domain.Decision:
        """Decide on an event and keep what follows.

        Raises:
            ConflictError: The lease is gone, or there is no room to admit the run.
            RefusedError: As `decide`.
            LookupError: There is no such run.
        """
        keep = partial(self._runs.apply, lease=lease, result=result, artifacts=artifacts)
        decision, _ = await self._change(place, happened, keep, _nothing)
        return decision

    async def succeeded(
        self,
        place: Place,
        lease: store.Lease,
        *,
        result: Any,
        artifacts: Sequence[executor.Artifact],
        following: Next,
    ) -> store.Onward | None:
        """Keep a success; in the same transaction begin the attempt that `following` names.

        Returns:
            What was begun; None if there was nothing, or somebody else is to do it.

        Raises:
            ConflictError: The lease is gone.
            LookupError: There is no such run.
        """
        keep = partial(self._runs.apply, lease=lease, result=result, artifacts=artifacts)
        happened = event.AttemptSucceeded(lease.attempt.ref)
        _, onward = await self._change(place, happened, keep, following)
        return onward

    async def _change(
        self, place: Place, happened: event.Event, keep: Callable[..., Awaitable[None]], then: Next
    ) -> tuple[domain.Decision, store.Onward | None]:
        lock = self._locks.get(place)
        if lock is None:
            lock = self._locks[place] = asyncio.Lock()
        async with lock:
            decision, onward = await self._keep(place, happened, keep, then)
        self._bells.ring_for(place, decision if onward is None else _rest(decision, onward))
        for asked in decision.commands:
            if isinstance(asked, command.ResolveStep):
                await self.resolve(place, asked.step)
        return decision, onward

    async def resolve(self, place: Place, name: str) -> None:
        """Answer `ResolveStep`; harmless where that was done."""
        run = await self.load(*place)
        if run.record.steps[name].state is not states.StepState.READY:
            run = await self._runs.load(*place)
        step = run.pipeline.definition.spec.steps[name]
        answer = resolve(name, step, await self._values.of_step(run, name))
        if step.map is not None:
            self._values.keep_items(run, name, answer.items)
        await self.happened(place, answer.event)

    async def _keep(
        self, place: Place, happened: event.Event, keep: Callable[..., Awaitable[None]], then: Next
    ) -> tuple[domain.Decision, store.Onward | None]:
        run = await self.load(*place)
        while True:
            try:
                decision = decide(run.record, happened, self._clock.now())
                onward = await then(run, decision)
                await keep(run, happened, decision, onward=onward)
            except (store.ConflictError, errors.RefusedError):
                self._known.pop(place, None)
                fresh = await self._runs.load(*place)
                if fresh.record.version == run.record.version and then is _nothing:
                    raise
                run, then = fresh, _nothing
            except BaseException:
                self._known.pop(place, None)
                raise
            else:
                self._remember(place, run, onward.decision.state if onward else decision.state)
                return decision, onward

    def _remember(self, place: Place, run: store.StoredRun, state: RunRecord) -> None:
        if state.state.final:
            self._known.pop(place, None)
            return
        self._known[place] = run._replace(record=state)
        self._known.move_to_end(place)
        if len(self._known) > _KEPT:
            self._known.popitem(last=False)


async def _nothing(_: store.StoredRun, __: domain.Decision) -> None:
    """Go on with nothing."""


def _rest(decision: domain.Decision, onward: store.Onward) -> domain.Decision:
    """What is left to do where one attempt was begun already."""
    left = tuple(asked for asked in decision.commands if asked != onward.lease.attempt)
    return onward.decision._replace(commands=(*left, *onward.decision.commands))
