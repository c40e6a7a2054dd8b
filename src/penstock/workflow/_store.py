"""The port behind which runs are kept: SQLite, or Postgres for several processes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from penstock.workflow._command import StartAttempt, TimerId
from penstock.workflow._domain import Decision
from penstock.workflow._errors import WorkflowError
from penstock.workflow._event import Event
from penstock.workflow._executor import JobHandle
from penstock.workflow._run import RunRecord


@dataclass(frozen=True)
class StoredRun:
    """A run with what belongs to it."""

    tenant: str
    record: RunRecord
    digest: str
    """Of the pinned version."""

    params: Mapping[str, Any]
    run_key: str


@dataclass(frozen=True)
class Lease:
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


@dataclass(eq=False)
class ConflictError(WorkflowError):
    """The run was changed by somebody else, or the lease is gone; load it again and decide anew."""

    run: str
    reason: str

    def __str__(self) -> str:
        return f"run {self.run!r} was not changed: {self.reason}; load it again and decide anew"


class Store(Protocol):
    """Keeps runs: rows, history, timers, outbox, leases.

    Each method is one transaction: it happens whole, durably and once, or not at all. Times are the
    store's own, so that workers with wrong clocks do no harm. Nothing of one tenant is ever seen
    through another's name. A busy or full disk raises `OSError`, and nothing was changed.
    """

    async def create(self, run: StoredRun, decision: Decision) -> bool:
        """Keep a new run with its first decision.

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
        tenant: str,
        run: str,
        event: Event,
        decision: Decision,
        *,
        expected_seq: int,
        lease: Lease | None = None,
        result: Any = None,
    ) -> None:
        """Keep one decision: changed rows, the event as history, timers, claimable attempts, outbox.

        Args:
            tenant: Whose run it is.
            run: Its id.
            event: What was decided on.
            decision: What `decide` answered.
            expected_seq: `RunRecord.seq` before the decision.
            lease: For events that an attempt reports: it must still be held, in the same statement.
            result: What a successful attempt returned; JSON of at most 64 KiB.

        Raises:
            ConflictError: The run has another `seq`, or the lease is gone. Nothing was changed.
        """
        ...

    async def claim(self, worker: str, *, limit: int, lease: timedelta) -> Sequence[Lease]:
        """Take up to `limit` attempts that may start, oldest first, within the limits of their runs.

        What counts against a limit is leased rows, counted in this transaction.
        """
        ...

    async def renew(self, leases: Sequence[Lease], *, lease: timedelta) -> Sequence[Lease]:
        """Prolong leases, and keep their handles; those that are gone are missing from the answer."""
        ...

    async def expired(self, *, limit: int) -> Sequence[Lease]:
        """Leases that have run out and whose attempts nobody has reported on, oldest first."""
        ...

    async def due(self, *, limit: int) -> Sequence[tuple[str, str, TimerId]]:
        """Timers that are due, as tenant, run and timer, earliest first; `apply` of their event removes them."""
        ...
