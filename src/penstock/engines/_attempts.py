"""Attempts that this process carries out: from the claimed lease to the report."""

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from penstock.base import Clock, Failpoints, Value
from penstock.engines._decider import Decider
from penstock.engines._payload import Payloads
from penstock.engines._values import Rendered, Values, work_of
from penstock.telemetry import get_logger
from penstock.workflow import (
    Executor,
    command,
    decide,
    domain,
    errors,
    event,
    executor,
    record,
    store,
)

_log = get_logger("engines")
_UNREACHABLE_PAUSE_S: Final = 1.0

_Held = tuple[str, str, record.AttemptRef]


class Job(Value):
    """Where the work of an attempt is done."""

    doer: Executor
    handle: executor.JobHandle


@dataclass
class Holding:
    """An attempt in this process's hands."""

    lease: store.Lease
    job: Job | None = None
    """Set once it is named."""

    work: executor.Work | None = None
    """Set with the job, where this process is the one to submit it."""

    stopped: bool = False
    """Whether its job was asked to stop."""

    gone: bool = False
    """Whether somebody else has the lease by now."""

    @property
    def place(self) -> tuple[str, str]:
        """Tenant and run."""
        return self.lease.tenant, self.lease.run


class Attempts:
    """Carries out attempts, each in a task of the engine's."""

    def __init__(
        self,
        decider: Decider,
        values: Values,
        payloads: Payloads,
        executors: Mapping[str, Executor],
        *,
        clock: Clock,
        failpoints: Failpoints,
        lasting: timedelta,
    ) -> None:
        self._decider = decider
        self._values = values
        self._payloads = payloads
        self._executors = executors
        self._clock = clock
        self._failpoints = failpoints
        self._lasting = lasting
        self._held: dict[_Held, Holding] = {}
        self.draining = False
        """Whether what is stopped now is handed back, not done."""

        self.crowded = False
        """Whether other attempts may wait for the place that one leaves: then none goes on unasked."""

    @property
    def count(self) -> int:
        """How many are in hand."""
        return len(self._held)

    @property
    def held(self) -> list[Holding]:
        """Those in hand. Safe to ask from any thread."""
        return list(self._held.values())

    def take(self, lease: store.Lease) -> Holding:
        """Put a claimed lease into hand, before its task has its first turn."""
        return self._hold(Holding(lease))

    def job_of(self, lease: store.Lease) -> Job | None:
        """The job that somebody named for this lease; None if there is none, or nobody can read it."""
        if lease.handle is None or lease.handle.executor not in self._executors:
            return None
        return Job(self._executors[lease.handle.executor], lease.handle)

    async def carry_out(self, holding: Holding) -> None:
        """Do the work of a lease, report how it ended, and go on with what follows in the run."""
        following = await self._guarded(holding, self._do(holding))
        while following is not None:
            following = await self._guarded(following, self._submit(following))

    async def observe(self, holding: Holding, job: Job) -> None:
        """Go on with a job that another process has begun, and report how it ended."""
        holding.job = job
        following = await self._guarded(holding, self._follow(holding, job))
        while following is not None:
            following = await self._guarded(following, self._submit(following))

    async def _guarded(self, holding: Holding, doing: Awaitable[Holding | None]) -> Holding | None:
        """See one attempt to its end, and say which one follows."""
        try:
            return await doing
        except store.ConflictError:
            await self.stop(holding, gone=True)
        except ConnectionError as error:
            _log.warning("remote side unreachable", run=holding.lease.run, error=str(error))
        finally:
            self._held.pop(_place(holding.lease), None)
        return None

    async def stop(self, holding: Holding, *, gone: bool = False) -> None:
        """Ask the job to stop, once; where the lease is gone nothing of it is reported.

        A job that outlives its process is left to whoever has the lease by now, who goes on with it.
        """
        holding.gone = holding.gone or gone
        if holding.job is None or holding.stopped or (gone and holding.job.doer.outlives):
            return
        try:
            await holding.job.doer.cancel(holding.job.handle)
            holding.stopped = True
        except ConnectionError as error:
            _log.warning("stop not delivered", run=holding.lease.run, error=str(error))

    def find(self, lease: store.Lease) -> Holding | None:
        """What is in hand for this lease."""
        return self._held.get(_place(lease))

    async def _do(self, holding: Holding) -> Holding | None:
        lease = holding.lease
        ref = lease.attempt.ref
        run = await self._decider.offering(holding.place, ref)
        try:
            await self._name(holding, run)
        except (errors.ExpressionError, LookupError) as error:
            await self._report(holding, _config_failure(ref, error))
            return None
        decision = await self._decider.happened(
            holding.place, event.AttemptStarted(ref), lease=holding.lease
        )
        if command.StopAttempt(ref) in decision.commands:
            await self._report(holding, event.AttemptStopped(ref))
            return None
        return await self._submit(holding)

    async def _name(self, holding: Holding, run: store.StoredRun) -> None:
        """Name the job of an attempt; nothing is begun by it."""
        rendered = await self._values.render(run, holding.lease.attempt.ref)
        doer = self._doer(rendered)
        holding.work = work_of(run, holding.lease, rendered, self._clock.now())
        holding.job = Job(doer, doer.handle(holding.work))
        holding.lease = holding.lease._replace(handle=holding.job.handle)

    async def _submit(self, holding: Holding) -> Holding | None:
        """Start the job, whose name is stored by now, unless it was asked to stop meanwhile."""
        job, work = holding.job, holding.work
        if job is None or work is None:
            raise RuntimeError("expected a job with a name")
        if holding.stopped or self.draining:
            await self._report(holding, self._unfinished(holding))
            return None
        self._failpoints.cross("engine.submit.before")
        await job.doer.submit(work, job.handle)
        self._failpoints.cross("engine.submit.after")
        return await self._follow(holding, job)

    async def _following(
        self, ended: Holding, run: store.StoredRun, decision: domain.Decision
    ) -> Holding | None:
        """What this worker can go on with at once, named; the results that it needs are all known.

        The last item of a map leaves a list of results that is known once it is kept.
        """
        ref = ended.lease.attempt.ref
        starts = [asked for asked in decision.commands if isinstance(asked, command.StartAttempt)]
        if self.crowded or self.draining or not starts:
            return None
        if ref.item != record.WHOLE and starts[0].ref.step != ref.step:
            return None
        tenant, name = ended.place
        lease = store.Lease(tenant, name, starts[0], ended.lease.worker, 1, ended.lease.until)
        holding = Holding(lease)
        try:
            await self._name(holding, run)
        except (errors.ExpressionError, LookupError):
            return None
        return holding

    def _doer(self, rendered: Rendered) -> Executor:
        if rendered.kind not in self._executors:
            known = ", ".join(sorted(self._executors))
            raise LookupError(
                f"this engine cannot run steps of type {rendered.kind!r}; it runs {known}"
            )
        return self._executors[rendered.kind]

    async def _follow(self, holding: Holding, job: Job) -> Holding | None:
        """Observe until it is over; where it cannot be asked, ask later."""
        beats = 0
        while not holding.gone:
            try:
                seen = await job.doer.observe(job.handle)
            except ConnectionError as error:
                _log.warning("job cannot be asked", run=holding.lease.run, error=str(error))
                await self._clock.sleep(_UNREACHABLE_PAUSE_S)
                continue
            if seen.state is not executor.JobState.RUNNING:
                return await self._ended(holding, seen)
            if seen.beats > beats:
                beats = seen.beats
                await self._beat(holding)
        return None

    async def _beat(self, holding: Holding) -> None:
        """Tell of a sign of life, where somebody listens, and not more often than needed."""
        ref = holding.lease.attempt.ref
        run = await self._decider.load(*holding.place)
        node = run.record.graph.nodes[ref.step]
        limit = node.timeouts.heartbeat
        unit = run.record.steps[ref.step].units.get(ref.item)
        if ref.undo or limit is None or unit is None:
            return
        if self._clock.now() - unit.beat_at >= limit / 4:
            await self._decider.happened(holding.place, event.AttemptBeat(ref), lease=holding.lease)

    async def _ended(self, holding: Holding, seen: executor.Observation) -> Holding | None:
        ref = holding.lease.attempt.ref
        if seen.state is executor.JobState.SUCCEEDED:
            return await self._succeeded(holding, seen)
        if seen.state is executor.JobState.STOPPED and holding.stopped:
            await self._report(holding, self._unfinished(holding))
        elif seen.state is executor.JobState.FAILED and seen.failure is not None:
            await self._report(holding, event.AttemptFailed(ref, seen.failure))
        else:
            await self._report(holding, event.AttemptLost(ref))
        return None

    async def _succeeded(self, holding: Holding, seen: executor.Observation) -> Holding | None:
        """Report it; the attempt that follows in the run is begun by the same transaction."""
        ref = holding.lease.attempt.ref
        kept, returned = await self._payloads.put(seen.result)
        named: list[Holding] = []

        async def following(run: store.StoredRun, decision: domain.Decision) -> store.Onward | None:
            if ref.item == record.WHOLE and not ref.undo and decision.events:
                self._values.keep_result(holding.place, ref.step, returned)
            found = await self._following(holding, run._replace(record=decision.state), decision)
            if found is None:
                return None
            named.append(found)
            begun = event.AttemptStarted(found.lease.attempt.ref)
            begins = decide(decision.state, begun, self._clock.now())
            return store.Onward(found.lease, self._lasting, begins)

        self._failpoints.cross("engine.report.before")
        try:
            onward = await self._decider.succeeded(
                holding.place,
                holding.lease,
                result=kept,
                artifacts=seen.artifacts,
                following=following,
            )
        except BaseException:
            self._values.forget_result(holding.place, ref.step)
            raise
        return self._hold(named[0]) if onward else None

    def _unfinished(self, holding: Holding) -> event.Event:
        """How an attempt is reported that did not do its work."""
        ref = holding.lease.attempt.ref
        return event.AttemptReturned(ref) if self.draining else event.AttemptStopped(ref)

    def _hold(self, holding: Holding) -> Holding:
        self._held[_place(holding.lease)] = holding
        return holding

    async def _report(self, holding: Holding, happened: event.Event) -> None:
        await self._decider.happened(holding.place, happened, lease=holding.lease)


def _place(lease: store.Lease) -> _Held:
    return lease.tenant, lease.run, lease.attempt.ref


def _config_failure(ref: record.AttemptRef, error: Exception) -> event.AttemptFailed:
    return event.AttemptFailed(ref, errors.Failure(errors.ErrorClass.CONFIG, str(error)))
