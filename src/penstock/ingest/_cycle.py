"""Plan, produce, seal, commit, acknowledge: one turn of an ingest pipeline."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

from penstock.base import Failpoints
from penstock.ingest._checkpointer import Checkpointer
from penstock.ingest._committer import Committer
from penstock.ingest._ledger import Ledger
from penstock.ingest._plan import FileVersion
from penstock.ingest._planner import Planner, Planning
from penstock.ingest._producer import Acknowledger, Producer
from penstock.ingest._seal import FileState, Seal
from penstock.ingest._sealer import Sealer
from penstock.ingest._standing import OpenPlan, Settlement


@dataclass(frozen=True, slots=True)
class CycleResult:
    """What was settled; two results add up."""

    plans: int = 0
    """Plans committed."""
    voided: int = 0
    """Plans given up; their files are pending again."""
    files: int = 0
    """Files whose rows were committed."""
    dead_files: int = 0
    """Files that stand in the dead letters as a whole."""
    gone_files: int = 0
    """Files that were not there any more, or not as planned."""
    returned_files: int = 0
    """Files that are pending again for a reason that is not their own."""
    rows: int = 0
    """Rows committed."""
    dead_lines: int = 0
    """Lines that stand in the dead letters."""
    unknown_fields: int = 0
    """Keys in the rows that the schema does not have."""
    parts: int = 0
    """Parquet files committed."""
    bytes: int = 0
    """Their size."""

    @property
    def dead_letters(self) -> int:
        """Lines and files together, which is what `max_failures` counts."""
        return self.dead_files + self.dead_lines

    def __add__(self, other: "CycleResult") -> "CycleResult":
        return CycleResult(
            *(getattr(self, f.name) + getattr(other, f.name) for f in fields(CycleResult))
        )

    @classmethod
    def of(cls, seal: Seal) -> "CycleResult":
        """The figures of one committed plan."""
        states = [outcome.state for outcome in seal.outcomes]
        return cls(
            plans=1,
            files=states.count(FileState.ROWS),
            dead_files=states.count(FileState.DEAD),
            gone_files=states.count(FileState.GONE) + states.count(FileState.CHANGED),
            returned_files=states.count(FileState.RETURNED),
            rows=sum(outcome.rows for outcome in seal.outcomes),
            dead_lines=sum(outcome.dead_lines for outcome in seal.outcomes),
            unknown_fields=sum(outcome.unknown_fields for outcome in seal.outcomes),
            parts=len(seal.parts),
            bytes=sum(part.size for part in seal.parts),
        )


@dataclass(frozen=True, slots=True)
class Steps:
    """The parts of the protocol, made for one pipeline."""

    ledger: Ledger
    planner: Planner
    producer: Producer
    sealer: Sealer
    committer: Committer
    acknowledger: Acknowledger | None = None
    checkpointer: Checkpointer | None = None


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
        return _difference(self.totals, before)

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
        return _difference(self.totals, before)

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
        if entry.settlement is Settlement.VOIDED:
            self.totals += CycleResult(voided=1, returned_files=len(entry.plan.files))
        elif entry.seal is not None:
            if self._acknowledger is not None:
                self._acknowledger.acknowledge(entry.plan, entry.seal)
            self.totals += CycleResult.of(entry.seal)
        self._ledger.acknowledged(entry)
        self._failpoints.cross("ack.after")
        if self._checkpointer is not None:
            self._checkpointer.settled(entry.plan.seq)


def _difference(after: CycleResult, before: CycleResult) -> CycleResult:
    return CycleResult(
        *(getattr(after, f.name) - getattr(before, f.name) for f in fields(CycleResult))
    )
