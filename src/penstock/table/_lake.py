"""The port: a table that takes finished files, and remembers who committed what."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from penstock.base import Value


class DataFile(Value):
    """One finished Parquet file that lies under the table's root."""

    name: str
    """Path below the table's root, with `/`."""

    size: int
    """Bytes."""

    stats: str
    """Statistics as the Delta protocol's JSON; `numRecords` at least."""

    modified: datetime
    """Goes into the log as the file's time."""


class TableSnapshot(Protocol):
    """One version of a table; never changes."""

    @property
    def version(self) -> int:
        """Number of the version, from 0."""
        ...

    @property
    def table_id(self) -> str:
        """Stays the same for the table's life; a table made anew has another."""
        ...

    def transaction_version(self, application: str) -> int:
        """The highest number that `application` has committed; 0 where it never did."""
        ...


class LakeTable(Protocol):
    """Commits to one table. All methods block and are safe to call from many threads.

    A commit is whole or not at all. **It is not idempotent**: a table takes the same numbers a second
    time from a fresh snapshot, so look at `transaction_version` of the very snapshot that is passed.
    """

    @property
    def url(self) -> str:
        """Where it is, without secrets; for messages."""
        ...

    def snapshot(self) -> TableSnapshot:
        """The newest version, read from its log.

        Raises:
            TableMissingError: There is none any more.
            TableUnavailableError: It cannot be read now.
        """
        ...

    def commit(
        self,
        snapshot: TableSnapshot,
        *,
        adds: Sequence[DataFile],
        transactions: Mapping[str, int],
        metadata: Mapping[str, str],
    ) -> None:
        """Add files and record the numbers of applications, in one version on top of `snapshot`.

        A newer version that holds none of these applications does not matter; one that does makes
        the commit fail. Whether the files exist is not checked. Follows the Delta protocol, `txn`.

        Raises:
            ConflictError: Refused; nothing was written.
            CommitUnknownError: It may have landed.
        """
        ...

    def files(self) -> Sequence[str]:
        """Names of the data files of the newest version, sorted."""
        ...

    def checkpoint(self) -> None:
        """Write a checkpoint and drop expired log files. One owner per table calls it, nobody else.

        Raises:
            TableUnavailableError: It failed; the table is as readable as before.
        """
        ...


def void_application(lane: str, seq: int) -> str:
    """The application whose presence in the table says that number `seq` of `lane` was given up."""
    return f"{lane}/void/{seq}"


def is_void(snapshot: TableSnapshot, lane: str, seq: int) -> bool:
    """Whether number `seq` of `lane` was given up, in the table itself."""
    return snapshot.transaction_version(void_application(lane, seq)) == seq
