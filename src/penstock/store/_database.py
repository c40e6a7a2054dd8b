"""One SQLite file: a thread that writes, in groups, and one that reads."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any, Final, NamedTuple, TypeVar

from penstock.base import Clock, Failpoints, PenstockError
from penstock.store._schema import migrate

T = TypeVar("T")
Micros = int
"""Microseconds since 1970, in UTC: what columns of times hold."""

Job = Callable[[sqlite3.Connection, Micros], T]
"""Works inside one transaction, at the store's time; whatever it raises undoes all that it did.

It may be done again in another transaction, so it has no effect but on the connection.
"""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_BUSY_S: Final = 20.0
_CHECKPOINT_PAGES: Final = 4_000
"""Pages in the write-ahead log, 16 MB, after which a commit also brings the file up to date. That
waits for the disk twice more, and writes each page once however often it was changed."""

_GROUP: Final = 256
"""Jobs that share one commit, and so one wait for the disk, at most."""


@dataclass(eq=False)
class StoreUnavailableError(PenstockError, OSError):
    """The disk is full, the file is locked, or cannot be read; nothing was changed. Try again later."""

    place: str
    reason: str

    def __str__(self) -> str:
        return f"the store {self.place} cannot be used: {self.reason}; nothing was changed"


def micros(at: datetime) -> Micros:
    """A time as columns hold it."""
    return (at - _EPOCH) // timedelta(microseconds=1)


def moment(value: Micros) -> datetime:
    """What `micros` was given."""
    return _EPOCH + timedelta(microseconds=value)


class _Order(NamedTuple):
    """A job that waits, and whom to tell."""

    job: Job[Any]
    loop: asyncio.AbstractEventLoop
    done: "asyncio.Future[Any]"


class _Outcome(NamedTuple):
    order: _Order
    value: Any = None
    error: BaseException | None = None

    def tell(self) -> None:
        """Wake the caller, unless it was cancelled meanwhile."""
        if self.order.done.done():
            return
        if self.error is not None:
            self.order.done.set_exception(self.error)
        else:
            self.order.done.set_result(self.value)


class Database:
    """The file, open; obtained from `open_database`.

    Jobs are done one after the other, each whole or not at all. Those that wait while the disk is
    busy share the next commit, so many callers together are much faster than one alone. Nobody is
    answered before the disk has the commit.
    """

    def __init__(self, path: Path, clock: Clock, failpoints: Failpoints) -> None:
        self._path = path
        self._clock = clock
        self._failpoints = failpoints
        self._waiting: SimpleQueue[_Order | None] = SimpleQueue()
        self._latest = 0
        self._reader = ThreadPoolExecutor(1, "store/reader")
        self._read_connection: sqlite3.Connection | None = None
        self._writer = Thread(target=self._write_all, name="store/writer", daemon=True)

    async def write(self, job: Job[T]) -> T:
        """Do a job and return what it returns, once that is durable.

        Cancelling the caller does not undo it.

        Raises:
            StoreUnavailableError: The transaction failed; nothing of the job is kept.
        """
        loop = asyncio.get_running_loop()
        order = _Order(job, loop, loop.create_future())
        self._waiting.put(order)
        value: T = await order.done
        return value

    async def read(self, job: Job[T]) -> T:
        """Do a job that only reads, on one consistent state, beside the writes.

        Raises:
            StoreUnavailableError: The file cannot be read.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._reader, self._read_now, job)

    def open(self) -> None:
        """Open the file, make its tables, start to write."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        try:
            connection = self._connect()
            migrate(connection, str(self._path))
            connection.close()
        except sqlite3.Error as error:
            raise StoreUnavailableError(str(self._path), str(error)) from error
        self._writer.start()

    def close(self) -> None:
        """Do what waits, then close the file."""
        self._waiting.put(None)
        self._writer.join()
        self._reader.submit(self._close_reader).result()
        self._reader.shutdown()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=_BUSY_S, isolation_level=None, cached_statements=256
        )
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        connection.execute("PRAGMA foreign_keys = ON")
        return connection

    def _now(self) -> Micros:
        """The store's time, which never goes back."""
        self._latest = max(self._latest, micros(self._clock.now()))
        return self._latest

    def _read_now(self, job: Job[T]) -> T:
        try:
            if self._read_connection is None:
                self._read_connection = self._connect()
            connection = self._read_connection
            connection.execute("BEGIN")
            try:
                return job(connection, micros(self._clock.now()))
            finally:
                connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise StoreUnavailableError(str(self._path), str(error)) from error

    def _close_reader(self) -> None:
        if self._read_connection is not None:
            self._read_connection.close()

    def _write_all(self) -> None:
        connection = self._connect()
        while group := self._next_group():
            outcomes = self._write_group(connection, group)
            for loop in {outcome.order.loop for outcome in outcomes}:
                told = [outcome for outcome in outcomes if outcome.order.loop is loop]
                if not loop.is_closed():
                    loop.call_soon_threadsafe(_tell, told)
        connection.close()

    def _next_group(self) -> list[_Order]:
        """Wait for a job, and take those that wait with it; none once all is done that was asked for."""
        group: list[_Order] = []
        while (order := self._waiting.get()) is not None:
            group.append(order)
            if len(group) == _GROUP or self._waiting.empty():
                return group
        if group:
            self._waiting.put(None)
        return group

    def _write_group(self, connection: sqlite3.Connection, group: list[_Order]) -> list[_Outcome]:
        try:
            connection.execute("BEGIN IMMEDIATE")
            outcomes = self._write_each(connection, group)
            self._failpoints.cross("store.commit.before")
            connection.execute("COMMIT")
            self._failpoints.cross("store.commit.after")
        except Exception as error:  # noqa: BLE001 - every caller is told
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            return [_Outcome(order, error=self._translated(error)) for order in group]
        return outcomes

    def _write_each(self, connection: sqlite3.Connection, group: list[_Order]) -> list[_Outcome]:
        """Do all jobs; where one fails do them again, each within a savepoint, so that the others are kept.

        Savepoints cost a copy of every page that is written, and jobs hardly ever fail.
        """
        try:
            return [self._write_one(connection, order) for order in group]
        except sqlite3.OperationalError:
            raise  # the disk, not a job: nothing of the group can be kept
        except Exception:
            if len(group) == 1:
                raise
        connection.execute("ROLLBACK")
        connection.execute("BEGIN IMMEDIATE")
        return [self._try_one(connection, order) for order in group]

    def _write_one(self, connection: sqlite3.Connection, order: _Order) -> _Outcome:
        return _Outcome(order, order.job(connection, self._now()))

    def _try_one(self, connection: sqlite3.Connection, order: _Order) -> _Outcome:
        connection.execute("SAVEPOINT job")
        try:
            outcome = self._write_one(connection, order)
        except sqlite3.OperationalError:
            raise
        except Exception as error:  # noqa: BLE001 - the caller is told
            connection.execute("ROLLBACK TO job")
            outcome = _Outcome(order, error=self._translated(error))
        connection.execute("RELEASE job")
        return outcome

    def _translated(self, error: Exception) -> Exception:
        if isinstance(error, sqlite3.Error):
            return StoreUnavailableError(str(self._path), str(error))
        return error


def _tell(outcomes: list[_Outcome]) -> None:
    for outcome in outcomes:
        outcome.tell()


@asynccontextmanager
async def open_database(
    path: Path, *, clock: Clock, failpoints: Failpoints
) -> AsyncIterator[Database]:
    """Open the file; when the block ends all that was asked for has been done."""
    database = Database(path, clock, failpoints)
    database.open()
    try:
        yield database
    finally:
        database.close()
