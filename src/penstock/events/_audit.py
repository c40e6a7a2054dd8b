"""What happened, kept so that a change of it shows: rows, each with the hash of all before it."""

import asyncio
import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from penstock.base import PenstockError, Value
from penstock.events._cloud import CloudEvent
from penstock.events._sink import EventSink

_TABLE: Final = """
CREATE TABLE IF NOT EXISTS audit (
  number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, event TEXT NOT NULL, hash TEXT NOT NULL)
"""


class AuditRow(Value):
    """One event of the audit."""

    number: int
    """Dense from 1."""

    id: str
    event: str
    """The CloudEvent as JSON."""

    hash: str
    """SHA-256 over the hash of the row before and this event, in hexadecimal."""


@dataclass(eq=False)
class DamagedAuditError(PenstockError):
    """A row of the audit was changed, or rows are missing; those in front of it are as they were."""

    place: str
    number: int

    def __str__(self) -> str:
        return f"the audit {self.place} was changed: row {self.number} does not follow from those before"


class AuditSink(EventSink):
    """Keeps events in a table of a SQLite file, each once, chained by hashes."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def send(self, events: Sequence[CloudEvent]) -> None:
        try:
            await asyncio.to_thread(self._insert, events)
        except sqlite3.Error as error:
            raise OSError(f"the audit {self._path} cannot be written: {error}") from error

    def rows(self) -> Iterator[AuditRow]:
        """All rows, in order, each checked against those before.

        Raises:
            DamagedAuditError: A row does not fit.
        """
        before, expected = "", 1
        with closing(self._open()) as db:
            for row in db.execute("SELECT number, id, event, hash FROM audit ORDER BY number"):
                found = AuditRow(*row)
                if found.number != expected or found.hash != _chained(before, found.event):
                    raise DamagedAuditError(str(self._path), expected)
                before, expected = found.hash, expected + 1
                yield found

    def _insert(self, events: Sequence[CloudEvent]) -> None:
        with closing(self._open()) as db:
            db.execute("BEGIN IMMEDIATE")
            number, last = db.execute(
                "SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1"
            ).fetchone() or (0, "")
            for event in events:
                text = event.text()
                fresh = _chained(last, text)
                added = db.execute(
                    "INSERT OR IGNORE INTO audit VALUES (?, ?, ?, ?)",
                    (number + 1, event.id, text, fresh),
                )
                if added.rowcount:
                    number, last = number + 1, fresh
            db.execute("COMMIT")

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(self._path, timeout=20, isolation_level=None)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute(_TABLE)
        return db


def _chained(before: str, event: str) -> str:
    return hashlib.sha256(f"{before}\n{event}".encode()).hexdigest()
