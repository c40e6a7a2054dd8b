"""The stored records of one pipeline: plans, seals, and what was acknowledged."""

from penstock.base import Record, Value
from penstock.ingest._layout import acknowledged_key, plan_key, seal_key
from penstock.ingest._plan import Plan
from penstock.ingest._seal import Seal
from penstock.ingest._volumes import VOLUME_SIZE, Shelf
from penstock.storage import NotFoundError, ObjectStore


class Acknowledged(Record, kw_only=True):
    """How far a lane has been acknowledged to its sources."""

    format: int = 1
    """Version of this record."""

    lane: str
    """The lane."""

    seq: int
    """The last plan that was acknowledged."""


class StoredPlan(Value):
    """A plan, its bytes, and its outcome if that came along with it."""

    plan: Plan
    data: bytes
    seal: Seal | None = None


class Records:
    """Reads and decodes; a record that cannot be read is an error, never an absence."""

    def __init__(
        self, store: ObjectStore, pipeline: str, *, volume_size: int = VOLUME_SIZE
    ) -> None:
        """Read nothing yet; `store` lies over the table's root."""
        self.store = store
        self.pipeline = pipeline
        self._shelf = Shelf(store, pipeline, size=volume_size)

    def plan(self, seq: int) -> StoredPlan | None:
        """One plan, or None where it has not been made; to be asked in the order of the numbers."""
        plan, seal = self._place(plan_key(self.pipeline, seq)), seal_key(self.pipeline, seq)
        copy = self._shelf.find(seq)
        if copy is not None:
            sealed = None if copy.seal is None else Seal.decode(copy.seal, place=self._place(seal))
            return StoredPlan(Plan.decode(copy.plan, place=plan), copy.plan, sealed)
        data = self._get(plan_key(self.pipeline, seq))
        return None if data is None else StoredPlan(Plan.decode(data, place=plan), data)

    def seal(self, seq: int) -> Seal | None:
        """The outcome of one plan, or None where it has not been decided."""
        key = seal_key(self.pipeline, seq)
        data = self._get(key)
        return None if data is None else Seal.decode(data, place=self._place(key))

    def acknowledged(self, lane: str) -> int:
        """The last plan of a lane that was acknowledged; 0 before the first."""
        key = acknowledged_key(self.pipeline, lane)
        data = self._get(key)
        return 0 if data is None else Acknowledged.decode(data, place=self._place(key)).seq

    def acknowledge(self, lane: str, seq: int) -> None:
        """Store that a lane was acknowledged up to a plan.

        A slow rival may set it back a little: what it then says is still true, and to acknowledge
        a plan again is no harm.
        """
        record = Acknowledged(lane=lane, seq=seq)
        self.store.put(acknowledged_key(self.pipeline, lane), record.encode())

    def _get(self, key: str) -> bytes | None:
        try:
            return self.store.get(key)
        except NotFoundError:
            return None

    def _place(self, key: str) -> str:
        return f"{self.store.url}/{key}"
