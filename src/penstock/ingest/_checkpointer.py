"""Keeps the table's log short, one process at a time."""

from contextlib import suppress
from secrets import token_bytes

from penstock.ingest._layout import checkpoint_key
from penstock.storage import ObjectStore, StorageError
from penstock.table import LakeTable, TableError


class Checkpointer:
    """Has the table checkpointed after every so many plans.

    Two writers of one checkpoint can damage it, so each is claimed first. One that fails, or whose
    owner dies, is made up for by the next: a long log costs time, never rows.
    """

    def __init__(
        self, store: ObjectStore, table: LakeTable, pipeline: str, *, every: int = 50
    ) -> None:
        """Claim nothing yet; `store` lies over the table's root, `every` is a number of plans."""
        self._store = store
        self._table = table
        self._pipeline = pipeline
        self._every = every

    def settled(self, seq: int) -> None:
        """Called when a plan is in the table; may be called by rivals for the same plan."""
        if seq % self._every:
            return
        with suppress(StorageError, TableError):
            if self._store.put_if_absent(checkpoint_key(self._pipeline, seq), token_bytes(16)):
                self._table.checkpoint()
