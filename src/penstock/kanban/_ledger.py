"""Every work item: state, dates, attempts, reason. It can be made anew from the buckets."""

import csv
import io
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

from msgspec.structs import astuple, fields

from penstock.base import PenstockError, Value
from penstock.kanban._errors import translated
from penstock.kanban._token import Token, stamp

AVAILABLE, CHOSEN, COMPLETED, FAILED = "available", "chosen", "completed", "failed"
_FRESH_S = 0.1

_SCHEMA = """
CREATE TABLE IF NOT EXISTS items (
  barcode TEXT PRIMARY KEY, state TEXT NOT NULL, bucket TEXT NOT NULL DEFAULT '',
  chosen TEXT NOT NULL DEFAULT '', finished TEXT NOT NULL DEFAULT '',
  attempts INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0,
  reason TEXT NOT NULL DEFAULT '') WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_state_and_bucket ON items (state, bucket, barcode);
"""


class LedgerError(PenstockError):
    """The ledger cannot be read or written; the tokens are not touched by that."""


class Item(Value):
    """One work item."""

    barcode: str
    state: str
    """`available`, `chosen`, `completed` or `failed`."""
    bucket: str = ""
    """Where it was last seen."""
    chosen: str = ""
    """When its token was made: RFC 3339, UTC."""
    finished: str = ""
    """When it was completed or failed."""
    attempts: int = 0
    bytes: int = 0
    reason: str = ""


COLUMNS = tuple(field.name for field in fields(Item))


class Ledger:
    """The ledger of a board, in a SQLite file: every change is one transaction."""

    def __init__(self, path: Path) -> None:
        with translated(str(path.parent)):
            path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        with self._transaction() as connection:
            connection.executescript(_SCHEMA)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self._path, timeout=30)) as connection, connection:
                yield connection
        except sqlite3.Error as error:
            raise LedgerError(
                f"the ledger {self._path} cannot be used: {error}; it can be removed, "
                "and is made anew from the buckets"
            ) from error

    @property
    def revision(self) -> int:
        """Another number after each change, whoever made it; asked without opening the ledger.

        0 right after one: the next could happen at the same moment of the file system's clock.
        """
        modified = os.stat(self._path).st_mtime_ns
        return modified if 0 <= modified / 1e9 < time.time() - _FRESH_S else 0

    def offer(self, items: Iterable[tuple[str, str]]) -> int:
        """Note work items that are available, each with the pipe that it enters; returns how many.

        Of those that are known to be available the pipe is brought up to date; others are left as they are.
        """
        with self._transaction() as connection:
            before = connection.total_changes
            connection.executemany(
                "INSERT INTO items (barcode, state, bucket) VALUES (?, 'available', ?) "
                "ON CONFLICT (barcode) DO UPDATE SET bucket = excluded.bucket "
                "WHERE state = 'available' AND bucket <> excluded.bucket",
                items,
            )
            return connection.total_changes - before

    def available(self, limit: int, *pipes: str) -> list[str]:
        """Items that no token stands for yet and that enter one of these pipes, in the order of their ids."""
        marks = ", ".join("?" * len(pipes))
        with self._transaction() as connection:
            rows = connection.execute(
                f"SELECT barcode FROM items WHERE state = ? AND bucket IN ({marks}) "  # noqa: S608 - marks alone
                "ORDER BY barcode LIMIT ?",
                (AVAILABLE, *pipes, limit),
            )
            return [row[0] for row in rows]

    def rehome(self, pipes: Sequence[str]) -> None:
        """Let available items that would enter none of these pipes enter where others do."""
        marks = ", ".join("?" * len(pipes))
        with self._transaction() as connection:
            connection.execute(
                f"UPDATE items SET bucket = '' WHERE state = ? AND bucket NOT IN ({marks})",  # noqa: S608
                (AVAILABLE, *pipes),
            )

    def note(self, items: Iterable[Item]) -> int:
        """Write items as they are now, in one transaction; returns how many."""
        columns = ", ".join(COLUMNS)
        updates = ", ".join(
            f"{c} = excluded.{c}" for c in COLUMNS if c not in {"barcode", "chosen"}
        )
        sql = (
            f"INSERT INTO items ({columns}) VALUES ({', '.join('?' * len(COLUMNS))}) "  # noqa: S608 - our own names
            f"ON CONFLICT (barcode) DO UPDATE SET {updates}, "
            "chosen = coalesce(nullif(excluded.chosen, ''), chosen)"
        )
        with self._transaction() as connection:
            return connection.executemany(sql, (astuple(item) for item in items)).rowcount

    def items(self, state: str = "") -> Iterator[Item]:
        """The items in a state, or all."""
        with self._transaction() as connection:
            rows = connection.execute(
                f"SELECT {', '.join(COLUMNS)} FROM items WHERE ? IN ('', state) ORDER BY barcode",  # noqa: S608
                (state,),
            )
            for row in rows:
                yield Item(*row)

    def counts(self) -> dict[str, int]:
        """Items per state."""
        with self._transaction() as connection:
            return dict(connection.execute("SELECT state, count(*) FROM items GROUP BY state"))

    def finished_between(self, start: datetime, end: datetime) -> tuple[int, int]:
        """How many items were completed in a span of time, and their bytes."""
        with self._transaction() as connection:
            row = connection.execute(
                "SELECT count(*), coalesce(sum(bytes), 0) FROM items "
                "WHERE state = ? AND finished >= ? AND finished < ?",
                (COMPLETED, stamp(start), stamp(end)),
            ).fetchone()
            return int(row[0]), int(row[1])

    def to_csv(self) -> str:
        """The whole ledger as CSV."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(astuple(item) for item in self.items())
        return out.getvalue()

    def from_csv(self, text: str) -> int:
        """Take over the items of a CSV file, all or none; returns how many.

        Raises:
            LedgerError: A row is not an item.
        """
        items = []
        for line, row in enumerate(csv.DictReader(io.StringIO(text)), 2):
            try:
                items.append(_item(row))
            except (KeyError, TypeError, ValueError) as error:
                raise LedgerError(
                    f"line {line} is no item: {error}; nothing was taken over"
                ) from error
        self.note(items)
        return len(items)


def _item(row: dict[str, str]) -> Item:
    def text(key: str) -> str:
        return row.get(key) or ""

    return Item(
        row["barcode"],
        row["state"],
        text("bucket"),
        text("chosen"),
        text("finished"),
        int(text("attempts") or 0),
        int(text("bytes") or 0),
        text("reason"),
    )


def item_of(token: Token, bucket: str, state: str) -> Item:
    """What a token's own history says of its work item."""
    visits = token.history
    return Item(
        barcode=token.id,
        state=state,
        bucket=bucket,
        chosen=next((visit.start for visit in visits if visit.start), ""),
        finished=visits[-1].end if visits and state in {COMPLETED, FAILED} else "",
        attempts=sum(visit.result in {"retry", "failed", "crash"} for visit in visits),
        bytes=token.size,
        reason=token.reason,
    )
