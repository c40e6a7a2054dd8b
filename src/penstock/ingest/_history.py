"""All plans of a pipeline and what became of them, read without touching anything."""

from collections.abc import Iterator

from penstock.base import Value
from penstock.ingest._plan import Plan
from penstock.ingest._records import Records
from penstock.ingest._seal import Seal
from penstock.ingest._standing import Settlement
from penstock.ingest._volumes import VOLUME_SIZE
from penstock.storage import ObjectStore
from penstock.table import LakeTable, TableMissingError, TableSnapshot, is_void


class PastPlan(Value):
    """One plan, and how far it has come."""

    plan: Plan
    seal: Seal | None
    settlement: Settlement


def read_history(
    root: ObjectStore, table: LakeTable, pipeline: str, *, volume_size: int = VOLUME_SIZE
) -> Iterator[PastPlan]:
    """The plans of `pipeline`, in the order of their numbers; none where there is no table yet.

    Raises:
        StoreUnavailableError: The store cannot be read now; likewise TableUnavailableError.
        RecordError: A plan or a seal is damaged.
    """
    try:
        snapshot = table.snapshot()
    except TableMissingError:
        return
    records, seq = Records(root, pipeline, volume_size=volume_size), 1
    while (stored := records.plan(seq)) is not None:
        seal = stored.seal or records.seal(seq)
        yield PastPlan(stored.plan, seal, _settlement(snapshot, stored.plan))
        seq += 1


def _settlement(snapshot: TableSnapshot, plan: Plan) -> Settlement:
    if snapshot.transaction_version(plan.lane) < plan.seq:
        return Settlement.OPEN
    return Settlement.VOIDED if is_void(snapshot, plan.lane, plan.seq) else Settlement.COMMITTED
