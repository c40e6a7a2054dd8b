"""All plans of a pipeline and what became of them, read without touching anything."""

from collections.abc import Iterator
from dataclasses import dataclass

from penstock.ingest._layout import plan_key, seal_key
from penstock.ingest._plan import Plan
from penstock.ingest._seal import Seal
from penstock.ingest._standing import Settlement
from penstock.storage import NotFoundError, ObjectStore
from penstock.table import LakeTable, TableMissingError, TableSnapshot, is_void


@dataclass(frozen=True, slots=True)
class PastPlan:
    """One plan, and how far it has come."""

    plan: Plan
    seal: Seal | None
    settlement: Settlement


def read_history(root: ObjectStore, table: LakeTable, pipeline: str) -> Iterator[PastPlan]:
    """The plans of `pipeline`, in the order of their numbers; none where there is no table yet.

    Raises:
        StoreUnavailableError: The store cannot be read now; likewise TableUnavailableError.
        RecordError: A plan or a seal is damaged.
    """
    try:
        snapshot = table.snapshot()
    except TableMissingError:
        return
    seq = 1
    while (data := _get(root, plan_key(pipeline, seq))) is not None:
        plan = Plan.decode(data, place=f"{root.url}/{plan_key(pipeline, seq)}")
        stored = _get(root, seal_key(pipeline, seq))
        place = f"{root.url}/{seal_key(pipeline, seq)}"
        seal = None if stored is None else Seal.decode(stored, place=place)
        yield PastPlan(plan, seal, _settlement(snapshot, plan))
        seq += 1


def _settlement(snapshot: TableSnapshot, plan: Plan) -> Settlement:
    if snapshot.transaction_version(plan.lane) < plan.seq:
        return Settlement.OPEN
    return Settlement.VOIDED if is_void(snapshot, plan.lane, plan.seq) else Settlement.COMMITTED


def _get(root: ObjectStore, key: str) -> bytes | None:
    try:
        return root.get(key)
    except NotFoundError:
        return None
