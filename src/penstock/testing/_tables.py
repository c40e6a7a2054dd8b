"""A table in memory that behaves as a Delta table does, its weaknesses included."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock

from penstock.table import (
    ConflictError,
    DataFile,
    LakeTable,
    TableMissingError,
    TableSnapshot,
)


@dataclass(frozen=True, slots=True)
class MemoryCommit:
    """One version of a `MemoryTable`."""

    adds: tuple[DataFile, ...]
    transactions: Mapping[str, int]
    metadata: Mapping[str, str]


class _Snapshot(TableSnapshot):
    def __init__(self, table_id: str, version: int, transactions: Mapping[str, int]) -> None:
        self._table_id = table_id
        self._version = version
        self._transactions = transactions

    @property
    def version(self) -> int:
        return self._version

    @property
    def table_id(self) -> str:
        return self._table_id

    def transaction_version(self, application: str) -> int:
        return self._transactions.get(application, 0)


class MemoryTable(LakeTable):
    """Commits kept in a list. As with Delta, the same numbers are taken twice from a fresh snapshot.

    >>> table = MemoryTable()
    >>> before = table.snapshot()
    >>> table.commit(before, adds=(), transactions={"app": 1}, metadata={})
    >>> before.transaction_version("app"), table.snapshot().transaction_version("app")
    (0, 1)
    """

    def __init__(self, table_id: str = "memory") -> None:
        self._table_id = table_id
        self._lock = Lock()
        self.commits: list[MemoryCommit] = []
        """In the order of their versions, which start at 1; version 0 is the empty table."""
        self.exists = True
        """Set to False to take the table away."""

    @property
    def url(self) -> str:
        return f"memory://{self._table_id}"

    def snapshot(self) -> TableSnapshot:
        with self._lock:
            if not self.exists:
                raise TableMissingError(self.url)
            transactions: dict[str, int] = {}
            for commit in self.commits:
                transactions.update(commit.transactions)
            return _Snapshot(self._table_id, len(self.commits), transactions)

    def commit(
        self,
        snapshot: TableSnapshot,
        *,
        adds: Sequence[DataFile],
        transactions: Mapping[str, int],
        metadata: Mapping[str, str],
    ) -> None:
        with self._lock:
            for newer in self.commits[snapshot.version :]:
                common = sorted(newer.transactions.keys() & transactions.keys())
                if common:
                    raise ConflictError(self.url, f"{common[0]!r} has committed since")
            self.commits.append(MemoryCommit(tuple(adds), dict(transactions), dict(metadata)))

    def files(self) -> Sequence[str]:
        with self._lock:
            return sorted({file.name for commit in self.commits for file in commit.adds})

    def checkpoint(self) -> None:
        """Nothing to do: reading it never gets slower enough to matter."""
