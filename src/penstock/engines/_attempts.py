"""Attempts that this process carries out: from the claimed lease to the report."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from penstock.base import Clock, Failpoints
from penstock.engines._decider import Decider
from penstock.engines._payload import Payloads
from penstock.engines._values import Rendered, Values, work_of
from penstock.telemetry import get_logger
from penstock.workflow import Executor, command, errors, event, executor, record, store

_log = get_logger("engines")
_UNREACHABLE_PAUSE_S: Final = 1.0

_Held = tuple[str, str, record.AttemptRef]


@dataclass(frozen=True)
class Job:
    """Where the work of an attempt is done."""

    doer: Executor
    handle: executor.JobHandle


@dataclass
class Holding:
    """An attempt in this process's hands."""

    lease: store.Lease
    job: Job | None = None
    """Set once it is named."""

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
    ) -> None:
        self._decider = decider
        self._values = values
        self._payloads = payloads
        self._executors = executors
        self._clock = clock
        self._failpoints = failpoints
        self._held: dict[_Held, Holding] = {}
        self.draining = False
        """Whether what is stopped now is handed back, not done."""

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
        holding = Holding(lease)
        self._held[_place(lease)] = holding
        return holding

    def job_of(self, lease: store.Lease) -> Job | None:
        """The job that somebody named for this lease; None if there is none, or nobody can read it."""
        if lease.handle is None or lease.handle.executor not in self._executors:
            return None
        return Job(self._executors[lease.handle.executor], lease.handle)

    async def carry_out(self, holding: Holding) -> None:
        """Do the work of a lease and report how it ended."""
        try:
            await self._do(holding)
        except store.ConflictError:
            await self.stop(holding, gone=True)
        except ConnectionError as error:
            _log.warning("remote side unreachable", run=holding.lease.run, error=str(error))
        finally:
            self._held.pop(_place(holding.lease), None)

    async def observe(self, holding: Holding, job: Job) -> None:
        """Go on with a job that another process has begun, and report how it ended."""
        holding.job = job
        try:
            await self._follow(holding, job)
        except store.ConflictError:
            await self.stop(holding, gone=True)
        finally:
            self._held.pop(_place(holding.lease), None)

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

    async def _do(self, holding: Holding) -> None:
        lease = holding.lease
        ref = lease.attempt.ref
        run = await self._decider.offering(holding.place, ref)
        try:
            rendered = await self._values.render(run, ref)
            doer = self._doer(rendered)
        except (errors.ExpressionError, LookupError) as error:
            await self._report(holding, _config_failure(ref, error))
            return
        work = work_of(run, lease, rendered, self._clock.now())
        job = Job(doer, doer.handle(work))
        holding.lease, holding.job = replace(lease, handle=job.handle), job
        decision = await self._decider.happened(
            holding.place, event.AttemptStarted(ref), lease=holding.lease
        )
        if command.StopAttempt(ref) in decision.commands or holding.stopped:
            await self._report(holding, event.AttemptStopped(ref))
            return
        self._failpoints.cross("engine.submit.before")
        await doer.submit(work, job.handle)
        self._failpoints.cross("engine.submit.after")
        await self._follow(holding, job)

    def _doer(self, rendered: Rendered) -> Executor:
        if rendered.kind not in self._executors:
            known = ", ".join(sorted(self._executors))
            raise LookupError(
                f"this engine cannot run steps of type {rendered.kind!r}; it runs {known}"
            )
        return self._executors[rendered.kind]

    async def _follow(self, holding: Holding, job: Job) -> None:
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
                await self._ended(holding, seen)
                return
            if seen.beats > beats:
                beats = seen.beats
                await self._beat(holding)

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

    async def _ended(self, holding: Holding, seen: executor.Observation) -> None:
        ref = holding.lease.attempt.ref
        if seen.state is executor.JobState.SUCCEEDED:
            kept = await self._payloads.put(seen.result)
            self._failpoints.cross("engine.report.before")
            await self._decider.happened(
                holding.place,
                event.AttemptSucceeded(ref),
                lease=holding.lease,
                result=kept,
                artifacts=seen.artifacts,
            )
        elif seen.state is executor.JobState.STOPPED and holding.stopped:
            happened = event.AttemptReturned(ref) if self.draining else event.AttemptStopped(ref)
            await self._report(holding, happened)
        elif seen.state is executor.JobState.FAILED and seen.failure is not None:
            await self._report(holding, event.AttemptFailed(ref, seen.failure))
        else:
            await self._report(holding, event.AttemptLost(ref))

    async def _report(self, holding: Holding, happened: event.Event) -> None:
        await self._decider.happened(holding.place, happened, lease=holding.lease)


def _place(lease: store.Lease) -> _Held:
    return lease.tenant, lease.run, lease.attempt.ref


def _config_failure(ref: record.AttemptRef, error: Exception) -> event.AttemptFailed:
    return event.AttemptFailed(ref, errors.Failure(errors.ErrorClass.CONFIG, str(error)))
