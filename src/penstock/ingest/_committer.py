"""Puts what was sealed into the table, once."""

from penstock.base import Failpoints
from penstock.ingest._protocol_errors import CommitBlockedError, DamagedStateError
from penstock.ingest._seal import Seal
from penstock.ingest._standing import OpenPlan, Settlement
from penstock.storage import ObjectStore
from penstock.table import (
    CommitUnknownError,
    ConflictError,
    DataFile,
    LakeTable,
    TableSnapshot,
    is_void,
    void_application,
)


class Committer:
    """Commits sealed plans, in order per lane. Any number of committers may work at once.

    Only what a fresh snapshot says counts: before a commit, after a refused one, after one without
    an answer, and after a good one.
    """

    def __init__(
        self,
        store: ObjectStore,
        table: LakeTable,
        *,
        failpoints: Failpoints,
        maximum_attempts: int = 10,
    ) -> None:
        """Commit nothing yet.

        Args:
            store: Over the table's root.
            table: The table.
            failpoints: Crossed as `commit.before` and `commit.after`.
            maximum_attempts: Commits of one plan that may be refused or unanswered in a row.
        """
        self._store = store
        self._table = table
        self._failpoints = failpoints
        self._maximum_attempts = maximum_attempts

    def settle(self, entry: OpenPlan) -> Settlement:
        """Bring a sealed plan to its end and return it, as re-read from the table.

        A plan whose parts are not all there any more cannot be committed; it is voided.

        Raises:
            CommitBlockedError: Neither committed nor voided, in all attempts.
            DamagedStateError: The table is another one, or the plan before is not in it.
            ValueError: The plan has not been sealed.
        """
        if entry.seal is None:
            raise ValueError(f"plan {entry.label} must be sealed before it can be committed")
        return self._bring(entry, give_up=False)

    def void(self, entry: OpenPlan) -> Settlement:
        """Give a plan up in the table itself, unless it is in already; its files are pending then."""
        return self._bring(entry, give_up=True)

    def _bring(self, entry: OpenPlan, *, give_up: bool) -> Settlement:
        last = ""
        for _ in range(self._maximum_attempts + 1):
            snapshot = self._table.snapshot()
            ended = self._ended(entry, snapshot)
            if ended is not Settlement.OPEN:
                return ended
            try:
                self._commit(entry, snapshot, give_up=give_up)
            except (ConflictError, CommitUnknownError) as error:
                last = str(error)
        raise CommitBlockedError(entry.label, self._maximum_attempts, last)

    def _ended(self, entry: OpenPlan, snapshot: TableSnapshot) -> Settlement:
        plan = entry.plan
        if snapshot.table_id != plan.table_id:
            found = f"plan {entry.label} was made for table {plan.table_id}, and this is {snapshot.table_id}"
            way_out = (
                "restore the old table, or remove the folder _penstock to ingest everything again"
            )
            raise DamagedStateError(self._table.url, found, way_out)
        number = snapshot.transaction_version(plan.lane)
        if number >= plan.seq:
            void = is_void(snapshot, plan.lane, plan.seq)
            return Settlement.VOIDED if void else Settlement.COMMITTED
        if number < entry.previous:
            found = f"the table holds {plan.lane!r} up to plan {number}, but plan {entry.previous} comes before {plan.seq}"
            way_out = "commit the plans of a lane in order, or restore the newer table"
            raise DamagedStateError(self._table.url, found, way_out)
        return Settlement.OPEN

    def _commit(self, entry: OpenPlan, snapshot: TableSnapshot, *, give_up: bool) -> None:
        plan, seal = entry.plan, entry.seal
        adds: list[DataFile] = []
        numbers = {plan.lane: plan.seq}
        if give_up or seal is None or not self._complete(seal):
            numbers[void_application(plan.lane, plan.seq)] = plan.seq
        else:
            adds = [DataFile(p.name, p.size, p.stats, plan.planned_at) for p in seal.parts]
        metadata = {"penstock.plan": entry.label, "penstock.plan_sha256": entry.plan_sha256}
        self._failpoints.cross("commit.before")
        self._table.commit(snapshot, adds=adds, transactions=numbers, metadata=metadata)
        self._failpoints.cross("commit.after")

    def _complete(self, seal: Seal) -> bool:
        """Whether all parts are there; the table itself would take a file that is not."""
        for part in seal.parts:
            found = self._store.head(part.name)
            if found is None or found.size != part.size:
                return False
        return True
