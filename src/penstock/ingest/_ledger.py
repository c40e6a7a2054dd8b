"""What has become of every file: plans, seals and the table's own numbers, read together."""

from collections.abc import Iterable
from hashlib import sha256

from msgspec.structs import replace

from penstock.base import Value
from penstock.ingest._cycle_result import CycleResult
from penstock.ingest._layout import live_lane, seal_key
from penstock.ingest._plan import FileVersion, Plan
from penstock.ingest._protocol_errors import DamagedStateError
from penstock.ingest._records import Records
from penstock.ingest._seal import FileState, Seal
from penstock.ingest._standing import FileStatus, OpenPlan, Settlement
from penstock.ingest._volumes import VOLUME_SIZE
from penstock.storage import ObjectStore
from penstock.table import LakeTable, TableMissingError, TableSnapshot, is_void


class _Name(Value):
    seq: int
    version: str
    status: FileStatus


_FREE = frozenset({FileStatus.PENDING, FileStatus.GONE})
_STATUS = {
    FileState.ROWS: FileStatus.COMMITTED,
    FileState.DEAD: FileStatus.DEAD,
    FileState.GONE: FileStatus.GONE,
    FileState.CHANGED: FileStatus.PENDING,
    FileState.RETURNED: FileStatus.PENDING,
}


class Ledger:
    """The state of one pipeline, rebuilt from what is stored; keeps nothing that could be lost.

    In memory it holds one entry per name that was ever planned, and the plans not yet acknowledged.
    """

    def __init__(
        self,
        store: ObjectStore,
        table: LakeTable,
        pipeline: str,
        *,
        volume_size: int = VOLUME_SIZE,
    ) -> None:
        """Read nothing yet.

        Args:
            store: Over the table's root.
            table: The table.
            pipeline: The pipeline's key.
            volume_size: Settled plans that are bound into one volume.
        """
        self._records = Records(store, pipeline, volume_size=volume_size)
        self._table = table
        self._names: dict[tuple[str, str], _Name] = {}
        self._open: dict[int, OpenPlan] = {}
        self._last: dict[str, int] = {live_lane(pipeline): 0}
        self._acknowledged: dict[str, int] = {}
        self._read = 0
        self.table_id = ""
        """Of the table, once it has been read."""
        self.elsewhere = CycleResult()
        """What others have settled and acknowledged: earlier runs, and rivals."""

    @property
    def next_seq(self) -> int:
        """The number of the next plan; all plans before it have been read."""
        return self._read + 1

    @property
    def open_plans(self) -> tuple[OpenPlan, ...]:
        """Plans that are not acknowledged, in the order of their numbers."""
        return tuple(self._open.values())

    def refresh(self) -> None:
        """Read everything that is new.

        What is read earlier can only lag behind what is read later, so a contradiction is damage:
        what was acknowledged, then the table, then the plans, then their seals.

        Raises:
            DamagedStateError: Table and ledger contradict each other.
        """
        lanes = 0
        while lanes < len(self._last):  # a lane met for the first time starts the order again
            lanes = len(self._last)
            for lane in self._last:
                number = max(self._records.acknowledged(lane), self._acknowledged.get(lane, 0))
                self._acknowledged[lane] = number
            snapshot = self._snapshot()
            self._read_plans(snapshot)
        self._check(snapshot)
        for entry in self.open_plans:
            self._update(entry, snapshot)

    def status(self, source: str, name: str) -> FileStatus:
        """Where a file stands by its name."""
        known = self._names.get((source, name))
        return known.status if known else FileStatus.PENDING

    def split(self, found: Iterable[FileVersion]) -> tuple[list[FileVersion], list[FileVersion]]:
        """The files that may be planned, and those whose name is taken by another content."""
        free, changed = [], []
        for file in found:
            known = self._names.get((file.source, file.name))
            if known is None or known.status in _FREE:
                free.append(file)
            elif known.version != file.version:
                changed.append(file)
        return free, changed

    def adopt(self, plan: Plan, data: bytes) -> None:
        """Take in the plan with the number `next_seq`, as it is stored."""
        self._read = plan.seq
        previous = self._last.get(plan.lane, 0)
        self._last[plan.lane] = plan.seq
        self._open[plan.seq] = OpenPlan(plan, sha256(data).hexdigest(), previous)
        for file in plan.files:
            known = _Name(plan.seq, file.version, FileStatus.PLANNED)
            self._names[file.source, file.name] = known

    def sealed(self, seq: int, seal: Seal) -> OpenPlan:
        """Take in the seal of an open plan, as it is stored."""
        self._open[seq] = replace(self._open[seq], seal=seal)
        return self._open[seq]

    def settled(self, seq: int, settlement: Settlement) -> OpenPlan:
        """Take in how an open plan ended, as the table was seen to say."""
        entry = self._open[seq] = replace(self._open[seq], settlement=settlement)
        for place, file in enumerate(entry.plan.files):
            status = FileStatus.PENDING
            if settlement is Settlement.COMMITTED and entry.seal is not None:
                status = _STATUS[entry.seal.outcomes[place].state]
            if self._names[file.source, file.name].seq == seq:
                self._names[file.source, file.name] = _Name(seq, file.version, status)
        return entry

    def acknowledged(self, entry: OpenPlan) -> None:
        """Store that a settled plan has been acknowledged, and forget it."""
        lane, seq = entry.plan.lane, entry.plan.seq
        self._records.acknowledge(lane, seq)
        self._acknowledged[lane] = max(seq, self._acknowledged.get(lane, 0))
        del self._open[seq]

    def _snapshot(self) -> TableSnapshot:
        try:
            snapshot = self._table.snapshot()
        except TableMissingError as error:
            if not self._read and not any(self._acknowledged.values()):
                raise
            raise self._damaged(
                "the table is gone although plans were made for it",
                "restore it, or remove the folder _penstock below it to ingest everything again",
            ) from error
        self.table_id = snapshot.table_id
        return snapshot

    def _read_plans(self, snapshot: TableSnapshot) -> None:
        """Read what is new; what was settled long ago is let go again one by one, for there may be much."""
        while found := self._records.plan(self.next_seq):
            self.adopt(found.plan, found.data)
            if found.seal is not None:
                self._check_table(found.plan, snapshot)
                self._update(self.sealed(found.plan.seq, found.seal), snapshot)

    def _check(self, snapshot: TableSnapshot) -> None:
        """Stop where going on would lose or double rows."""
        for entry in self._open.values():
            self._check_table(entry.plan, snapshot)
        for lane, last in self._last.items():
            number, acknowledged = (
                snapshot.transaction_version(lane),
                self._acknowledged.get(lane, 0),
            )
            if number < acknowledged:
                raise self._damaged(
                    f"the table holds {lane!r} up to plan {number}, but plan {acknowledged} was acknowledged",
                    "an older copy of the table was put back: restore the newer one, or remove table and _penstock",
                )
            if number > last:
                raise self._damaged(
                    f"the table holds {lane!r} up to plan {number}, but the last plan found is {last}",
                    "restore the folder _penstock, or give the pipeline another key to ingest everything again",
                )

    def _check_table(self, plan: Plan, snapshot: TableSnapshot) -> None:
        if plan.table_id != snapshot.table_id:
            raise self._damaged(
                f"plan {plan.seq} was made for table {plan.table_id}, and this is {snapshot.table_id}",
                "restore the old table, or remove the folder _penstock to ingest everything again",
            )

    def _update(self, entry: OpenPlan, snapshot: TableSnapshot) -> None:
        seq = entry.plan.seq
        if entry.seal is None and (seal := self._records.seal(seq)):
            entry = self.sealed(seq, seal)
        lane = entry.plan.lane
        if entry.settlement is Settlement.OPEN and snapshot.transaction_version(lane) >= seq:
            if is_void(snapshot, lane, seq):
                self.settled(seq, Settlement.VOIDED)
            elif entry.seal is None:
                raise self._damaged(
                    f"plan {seq} is in the table, but {seal_key(self._records.pipeline, seq)} is missing",
                    "restore that file; it says which source files the plan's rows came from",
                )
            else:
                self.settled(seq, Settlement.COMMITTED)
        if seq <= self._acknowledged.get(lane, 0):
            self.elsewhere += CycleResult.of(self._open.pop(seq))

    def _damaged(self, found: str, way_out: str) -> DamagedStateError:
        return DamagedStateError(self._table.url, found, way_out)
