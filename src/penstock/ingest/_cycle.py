"""Plan, produce, seal, commit, acknowledge: one turn of an ingest pipeline."""

from collections.abc import Sequence

from penstock.base import Failpoints, Value
from penstock.ingest._checkpointer import Checkpointer
from penstock.ingest._committer import Committer
from penstock.ingest._cycle_result import CycleResult
from penstock.ingest._ledger import Ledger
from penstock.ingest._plan import FileVersion
from penstock.ingest._planner import Planner, Planning
from penstock.ingest._producer import Acknowledger, Producer
from penstock.ingest._sealer import Sealer
from penstock.ingest._standing import OpenPlan, Settlement
from penstock.ingest._volumes import Binder


class Steps(Value):
    """The parts of the protocol, made for one pipeline."""

    ledger: Ledger
    planner: Planner
    producer: Producer
    sealer: Sealer
    committer: Committer
    acknowledger: Acknowledger | None = None
    checkpointer: Checkpointer | None = None
    binder: Binder | None = None


class Cycle:
    """Drives the protocol, one plan after the other; a crash between any two lines loses nothing.

    Not safe to share between threads; several cycles, in one process or many, may work on one
    pipeline at once.
    """

    def __init__(self, steps: Steps, *, failpoints: Failpoints, max_failures: int = 0) -> None:
        """Do nothing yet.

        Args:
            steps: All made for the same pipeline.
            failpoints: Crossed as `ack.before` and `ack.after`.
            max_failures: Dead letters after which nothing more is planned; 0 sets no limit.
        """
        self._ledger = steps.ledger
        self._planner = steps.planner
        self._producer = steps.producer
        self._sealer = steps.sealer
        self._committer = steps.committer
        self._acknowledger = steps.acknowledger
        self._checkpointer = steps.checkpointer
        self._binder = steps.binder
        self._failpoints = failpoints
        self._max_failures = max_failures
        self.totals = CycleResult()
        """Since the start, turns that ended in an error included."""

    @property
    def limit_reached(self) -> bool:
        """Whether there were so many dead letters that nothing more is planned."""
        return 0 < self._max_failures <= self.totals.dead_letters

    def recover(self) -> CycleResult:
        """Finish the plans that are open, whoever made them; every start begins with this."""
        before = self.totals
        self._ledger.refresh()
        self._finish()
        return self.totals - before

    def run(self, found: Sequence[FileVersion], *, flush: bool = True) -> CycleResult:
        """Finish what is open, then plan from `found` and finish that.

        Raises:
            StoreUnavailableError: A store failed; call again later with a new listing. The same
                holds for TableUnavailableError and CommitBlockedError.
            DamagedStateError: A person must decide.
        """
        before = self.totals
        self.recover()
        if not self.limit_reached and self.plan(found, flush=flush).planned:
            self._finish()
        return self.totals - before

    def plan(self, found: Sequence[FileVersion], *, flush: bool = True) -> Planning:
        """Only plan; the next turn finishes it."""
        return self._planner.plan(found, flush=flush)

    def _finish(self) -> None:
        for entry in self._ledger.open_plans:
            self._acknowledge(self._settle(self._seal(entry)))

    def _seal(self, entry: OpenPlan) -> OpenPlan:
        if entry.seal is not None or entry.settlement is not Settlement.OPEN:
            return entry
        produced = self._producer.produce(entry.plan)
        return self._ledger.sealed(entry.plan.seq, self._sealer.seal(entry, produced))

    def _settle(self, entry: OpenPlan) -> OpenPlan:
        if entry.settlement is not Settlement.OPEN:
            return entry
        return self._ledger.settled(entry.plan.seq, self._committer.settle(entry))

    def _acknowledge(self, entry: OpenPlan) -> None:
        self._failpoints.cross("ack.before")
        if self._acknowledger is not None and entry.committed is not None:
            self._acknowledger.acknowledge(entry.plan, entry.committed)
        self.totals += CycleResult.of(entry)
        self._ledger.acknowledged(entry)
        self._failpoints.cross("ack.after")
        if self._checkpointer is not None:
            self._checkpointer.settled(entry.plan.seq)
        if self._binder is not None:
            still_open = [other.plan.seq for other in self._ledger.open_plans]
            self._binder.settled(entry.plan.seq, still_open)
