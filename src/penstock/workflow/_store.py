"""The ports behind which runs are kept: SQLite, or Postgres for several processes.

One adapter fills them all, over one database: they are a `Stores`. Each method is one transaction: it happens whole, durably and once, or
not at all. Times are the store's own, so that workers with wrong clocks do no harm. Nothing of one
tenant is ever seen through another's name. A busy or full disk raises `OSError`; nothing was changed.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol

from penstock.base import Value
from penstock.workflow._command import StartAttempt, TimerId
from penstock.workflow._domain import Decision, DomainEvent
from penstock.workflow._errors import WorkflowError
from penstock.workflow._event import Event
from penstock.workflow._executor import Artifact, JobHandle
from penstock.workflow._pipeline import Pipeline
from penstock.workflow._run import RunRecord
from penstock.workflow._states import RunState, VersionState


class StoredRun(NamedTuple):
    """A run with what belongs to it."""

    tenant: str
    record: RunRecord
    pipeline: Pipeline
    """The pinned version."""

    params: Mapping[str, Any]
    run_key: str
    trigger: str = "manual"
    lane: str = ""
    """The value of `concurrency.key`: runs are counted apart for each."""


class Lease(NamedTuple):
    """The right to carry out one attempt, until it runs out."""

    tenant: str
    run: str
    attempt: StartAttempt
    worker: str
    """A random name of one boot of one process."""

    fence: int
    """Rises with every claim of the attempt; a lower one is refused everywhere."""

    until: datetime
    """By the store's clock."""

    handle: JobHandle | None = None
    """The job, if one was named already."""

    stopping: bool = False
    """Whether the attempt's stop was asked for."""


class Onward(Value):
    """An attempt that a decision asks for, claimed and begun in the transaction that keeps the decision.

    Who has just ended one attempt goes on with the next, without a second and a third transaction.
    """

    lease: Lease
    """Of an attempt that nobody has held yet, with its job; `until` is set by the store."""

    lasting: timedelta
    decision: Decision
    """What `decide` answered to its `AttemptStarted`, on the state of the first decision."""


class OutboxEvent(Value):
    """A domain event on its way out."""

    position: int
    """Rises in the order in which events may be read; gaps are normal."""

    tenant: str
    run: str
    pipeline: str
    digest: str
    event: DomainEvent


class RunSummary(Value):
    """One line of a list of runs."""

    run: str
    pipeline: str
    digest: str
    state: RunState
    run_key: str
    trigger: str
    created_at: datetime
    changed_at: datetime


class VersionSummary(Value):
    """A version of a definition."""

    digest: str
    created_at: datetime
    state: VersionState


class KeptArtifact(Value):
    """An artifact of a step's last attempt that succeeded."""

    step: str
    item: int
    """Of a map; else -1."""

    attempt: int
    artifact: Artifact


@dataclass(eq=False)
class ConflictError(WorkflowError):
    """The run was changed by somebody else, or the lease is gone; load it again and decide anew."""

    run: str
    reason: str

    def __str__(self) -> str:
        return f"run {self.run!r} was not changed: {self.reason}; load it again and decide anew"


class Store(Protocol):
    """Keeps versions, and runs: a row each, a row for each step, results, and the history of events."""

    async def keep(self, tenant: str, pipeline: Pipeline, state: VersionState) -> VersionState:
        """Keep a version that may not have run yet, or move it to a state.

        Returns:
            The state that it has now: one that it has already is no move.

        Raises:
            IllegalTransitionError: The table of states has no such move.
        """
        ...

    async def create(self, run: StoredRun, decision: Decision) -> bool:
        """Keep a new run with its first decision, and its version, which is VALIDATED by then.

        Returns:
            False if the tenant has a run of that id already; then nothing was changed.
        """
        ...

    async def load(self, tenant: str, run: str) -> StoredRun:
        """Return a run as the last decision left it.

        Raises:
            LookupError: The tenant has no such run.
        """
        ...

    async def apply(
        self,
        run: StoredRun,
        event: Event,
        decision: Decision,
        *,
        lease: Lease | None = None,
        result: Any = None,
        artifacts: Sequence[Artifact] = (),
        onward: Onward | None = None,
    ) -> None:
        """Keep one decision whole: rows, history, timers, attempts to be claimed, domain events.

        Commands are kept with it, so that none is forgotten: timers are set, attempts become
        claimable, and those that end give their lease up.

        Args:
            run: As it was loaded, before the decision.
            event: What was decided on.
            decision: What `decide` answered.
            lease: For events that an attempt reports: it must still be held, in the same statement.
                Its handle is kept with it.
            result: What a successful attempt returned; JSON of at most 64 KiB.
            artifacts: What it left.
            onward: An attempt to be claimed and begun with it, within the limits that hold for
                `WorkQueue.claim`; both decisions are kept, or none.

        Raises:
            ConflictError: The run has another `version` by now, the lease is gone, there is no
                more room to admit the run, or the attempt cannot be gone on with.
        """
        ...

    async def results(self, tenant: str, run: str, steps: Collection[str]) -> Mapping[str, Any]:
        """Return what successful steps returned; of a map, a list by item, None for those that failed.

        Steps that were carried over give the result that they had in the earlier run.
        """
        ...

    async def open_runs(self, *, after: str = "", limit: int = 1_000) -> Sequence[StoredRun]:
        """Return runs of all tenants that are not done, by id, for `outstanding` at an engine's start.

        Args:
            after: Only ids behind this one; empty for the first page.
            limit: Most runs in one answer.
        """
        ...


class WorkQueue(Protocol):
    """What is to be done now, and who does it."""

    async def admissible(self, *, limit: int) -> Sequence[tuple[str, str]]:
        """Return QUEUED runs, oldest first, as tenant and id, that the limits of their pipelines leave room for.

        What counts is open runs, counted in this transaction.
        """
        ...

    async def claim(self, worker: str, *, limit: int, lease: timedelta) -> Sequence[Lease]:
        """Take up to `limit` attempts that may start, oldest first, within the limits of their runs.

        What counts against a limit is leased rows, counted in this transaction. A run that is not
        RUNNING or COMPENSATING gives none, except for a resumed compensation.
        """
        ...

    async def renew(self, leases: Sequence[Lease], *, lease: timedelta) -> Sequence[Lease]:
        """Prolong leases and keep their handles; one that is missing from the answer is gone.

        Who holds one that is gone must end its work at once: somebody else may have begun it.
        """
        ...

    async def expired(self, *, limit: int) -> Sequence[Lease]:
        """Return leases that have run out before their attempts were reported on, oldest first."""
        ...

    async def take_over(self, lease: Lease, worker: str, *, until: timedelta) -> Lease:
        """Take a lease that has run out, with a higher fence, to go on with a job that outlived it.

        Raises:
            ConflictError: Somebody else was faster, or it was renewed.
        """
        ...

    async def stops(self, worker: str, *, limit: int) -> Sequence[Lease]:
        """Return attempts whose stop was asked for: those of this worker, and those that nobody holds."""
        ...

    async def unresolved(
        self, *, older_than: timedelta, limit: int
    ) -> Sequence[tuple[str, str, str]]:
        """Return what `ResolveStep` asked for that long ago and nobody answered, as tenant, run, step."""
        ...

    async def due(self, *, limit: int) -> Sequence[tuple[str, str, TimerId]]:
        """Return timers that are due, as tenant, run and timer, earliest first.

        Each is given again until `apply` has kept its `TimerFired`.
        """
        ...


class Outbox(Protocol):
    """Domain events, each kept in the transaction of the change that it tells of."""

    async def read(self, *, after: int, limit: int) -> Sequence[OutboxEvent]:
        """Return events behind a position, in order; dense in `seq` for every run.

        An event is only given when none can appear in front of it any more.
        """
        ...

    async def end(self) -> int:
        """Return the position of the newest event; 0 where there is none."""
        ...

    async def cursor(self, consumer: str) -> int:
        """Return the position up to which a consumer has read; 0 for a new one."""
        ...

    async def advance(self, consumer: str, position: int) -> None:
        """Keep how far a consumer has read; a lower position than the kept one changes nothing."""
        ...


class Archive(Protocol):
    """What was, for people; whoever only carries out runs does without it."""

    async def runs(
        self, tenant: str, *, pipeline: str = "", after: str = "", limit: int = 100
    ) -> Sequence[RunSummary]:
        """Return runs, newest first; `after` is the id of the last one of the page before."""
        ...

    async def events(
        self, tenant: str, run: str, *, after: int = 0, limit: int = 1_000
    ) -> Sequence[OutboxEvent]:
        """Return the domain events of one run behind a `seq`, in order."""
        ...

    async def artifacts(self, tenant: str, run: str) -> Sequence[KeptArtifact]:
        """Return what the steps of a run left, by step, item and name."""
        ...

    async def history(self, tenant: str, run: str) -> Sequence[tuple[datetime, Event]]:
        """Return all that the run was decided on, in order, with the time of each decision."""
        ...

    async def versions(self, tenant: str, pipeline: str) -> Sequence[VersionSummary]:
        """Return the versions of a pipeline, newest first."""
        ...

    async def version(self, tenant: str, digest: str) -> Pipeline:
        """Return one version.

        Raises:
            LookupError: The tenant has no such version.
        """
        ...


class Stores(Value):
    """One database through all its ports."""

    runs: Store
    queue: WorkQueue
    outbox: Outbox
    archive: Archive
