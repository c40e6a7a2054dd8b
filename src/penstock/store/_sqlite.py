"""All ports over one SQLite file."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from penstock.base import Clock, Failpoints, SystemClock
from penstock.store._database import open_database
from penstock.store._outbox import SqliteArchive, SqliteOutbox
from penstock.store._queue import SqliteQueue
from penstock.store._rows import Versions
from penstock.store._runs import SqliteRuns
from penstock.workflow import store


@asynccontextmanager
async def open_sqlite(
    path: Path, *, clock: Clock | None = None, failpoints: Failpoints | None = None
) -> AsyncIterator[store.Stores]:
    """Open the store in one file, made or brought forward to this version where needed.

    Several processes of one machine may have it open. When the block ends, all that was asked for
    has been done.

    Args:
        path: The file; two more, of the write-ahead log, stand beside it while it is open.
        clock: The store's time; the machine's by default.
        failpoints: `store.commit.before` and `store.commit.after` are crossed at each commit.

    Raises:
        NewerStoreError: A newer version of Penstock wrote it.
        StoreUnavailableError: It cannot be opened.
    """
    versions = Versions()
    async with open_database(
        path, clock=clock or SystemClock(), failpoints=failpoints or Failpoints()
    ) as database:
        yield store.Stores(
            SqliteRuns(database, versions),
            SqliteQueue(database),
            SqliteOutbox(database),
            SqliteArchive(database, versions),
        )
