"""The tables, and how a file of an earlier version becomes one of this."""

import sqlite3
from dataclasses import dataclass
from typing import Final

from penstock.base import PenstockError


@dataclass(eq=False)
class NewerStoreError(PenstockError):
    """The store was written by a newer version; nothing was changed."""

    exit_code = 2

    place: str
    found: int

    def __str__(self) -> str:
        return (
            f"{self.place} has schema {self.found}, and this version knows up to {len(MIGRATIONS)}; "
            "use the version of Penstock that wrote it, or a newer one"
        )


_FIRST: Final = """
CREATE TABLE version (
  tenant TEXT NOT NULL, digest TEXT NOT NULL, pipeline TEXT NOT NULL, text TEXT NOT NULL,
  created_at INTEGER NOT NULL, PRIMARY KEY (tenant, digest)
) WITHOUT ROWID;
CREATE INDEX version_of ON version (tenant, pipeline, created_at);

CREATE TABLE run (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant TEXT NOT NULL, run TEXT NOT NULL, pipeline TEXT NOT NULL, digest TEXT NOT NULL,
  run_key TEXT NOT NULL, run_trigger TEXT NOT NULL, lane TEXT NOT NULL, params TEXT NOT NULL,
  max_runs INTEGER, max_steps INTEGER, version INTEGER NOT NULL, state TEXT NOT NULL,
  is_open INTEGER NOT NULL, is_started INTEGER NOT NULL, gives_work INTEGER NOT NULL,
  head TEXT NOT NULL, created_at INTEGER NOT NULL, changed_at INTEGER NOT NULL,
  UNIQUE (tenant, run)
);
CREATE INDEX run_open ON run (tenant, run) WHERE is_open;
CREATE INDEX run_started ON run (tenant, pipeline, lane) WHERE is_started;
CREATE INDEX run_queued ON run (id) WHERE state = 'QUEUED';
CREATE INDEX run_of ON run (tenant, pipeline, id);

CREATE TABLE step (
  tenant TEXT NOT NULL, run TEXT NOT NULL, step TEXT NOT NULL, row TEXT NOT NULL,
  PRIMARY KEY (tenant, run, step)
) WITHOUT ROWID;

CREATE TABLE result (
  tenant TEXT NOT NULL, run TEXT NOT NULL, step TEXT NOT NULL, item INTEGER NOT NULL,
  value TEXT NOT NULL, PRIMARY KEY (tenant, run, step, item)
) WITHOUT ROWID;

CREATE TABLE history (
  tenant TEXT NOT NULL, run TEXT NOT NULL, number INTEGER NOT NULL, at INTEGER NOT NULL,
  event TEXT NOT NULL, PRIMARY KEY (tenant, run, number)
) WITHOUT ROWID;

CREATE TABLE timer (
  tenant TEXT NOT NULL, run TEXT NOT NULL, kind TEXT NOT NULL, step TEXT NOT NULL,
  item INTEGER NOT NULL, number INTEGER NOT NULL, undo INTEGER NOT NULL, due INTEGER NOT NULL,
  PRIMARY KEY (tenant, run, kind, step, item, number, undo)
) WITHOUT ROWID;
CREATE INDEX timer_due ON timer (due);

CREATE TABLE attempt (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant TEXT NOT NULL, run TEXT NOT NULL, step TEXT NOT NULL, item INTEGER NOT NULL,
  number INTEGER NOT NULL, undo INTEGER NOT NULL, key TEXT NOT NULL, stopping INTEGER NOT NULL,
  worker TEXT NOT NULL DEFAULT '', fence INTEGER NOT NULL DEFAULT 0, until INTEGER, handle TEXT,
  UNIQUE (tenant, run, step, item, number, undo)
);
CREATE INDEX attempt_ready ON attempt (id) WHERE until IS NULL;
CREATE INDEX attempt_leased ON attempt (tenant, run) WHERE until IS NOT NULL;
CREATE INDEX attempt_until ON attempt (until) WHERE until IS NOT NULL;
CREATE INDEX attempt_stopping ON attempt (worker) WHERE stopping;

CREATE TABLE question (
  tenant TEXT NOT NULL, run TEXT NOT NULL, step TEXT NOT NULL, asked_at INTEGER NOT NULL,
  PRIMARY KEY (tenant, run, step)
) WITHOUT ROWID;
CREATE INDEX question_age ON question (asked_at);

CREATE TABLE outbox (
  position INTEGER PRIMARY KEY AUTOINCREMENT,
  tenant TEXT NOT NULL, run TEXT NOT NULL, pipeline TEXT NOT NULL, digest TEXT NOT NULL,
  seq INTEGER NOT NULL, event TEXT NOT NULL, UNIQUE (tenant, run, seq)
);

CREATE TABLE consumer (name TEXT PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID;
"""

_SECOND: Final = """
ALTER TABLE version ADD COLUMN state TEXT NOT NULL DEFAULT 'VALIDATED';

CREATE TABLE artifact (
  tenant TEXT NOT NULL, run TEXT NOT NULL, step TEXT NOT NULL, item INTEGER NOT NULL,
  name TEXT NOT NULL, attempt INTEGER NOT NULL, size INTEGER NOT NULL, sha256 TEXT NOT NULL,
  place TEXT NOT NULL, PRIMARY KEY (tenant, run, step, item, name)
) WITHOUT ROWID;
"""

_THIRD: Final = """
ALTER TABLE attempt RENAME TO earlier_attempt;
CREATE TABLE attempt (
  tenant TEXT NOT NULL, run TEXT NOT NULL, step TEXT NOT NULL, item INTEGER NOT NULL,
  number INTEGER NOT NULL, undo INTEGER NOT NULL, key TEXT NOT NULL, stopping INTEGER NOT NULL,
  queue_number INTEGER NOT NULL, worker TEXT NOT NULL DEFAULT '', fence INTEGER NOT NULL DEFAULT 0,
  until INTEGER, handle TEXT, PRIMARY KEY (tenant, run, step, item, number, undo)
) WITHOUT ROWID;
INSERT INTO attempt SELECT tenant, run, step, item, number, undo, key, stopping, id, worker, fence,
  until, handle FROM earlier_attempt;
DROP TABLE earlier_attempt;
CREATE INDEX attempt_ready ON attempt (queue_number) WHERE until IS NULL;
CREATE INDEX attempt_leased ON attempt (tenant, run, until) WHERE until IS NOT NULL;
CREATE INDEX attempt_stopping ON attempt (worker) WHERE stopping;

ALTER TABLE outbox RENAME TO earlier_outbox;
CREATE TABLE outbox (
  position INTEGER PRIMARY KEY,
  tenant TEXT NOT NULL, run TEXT NOT NULL, pipeline TEXT NOT NULL, digest TEXT NOT NULL,
  seq INTEGER NOT NULL, event TEXT NOT NULL, UNIQUE (tenant, run, seq)
);
INSERT INTO outbox SELECT * FROM earlier_outbox;
DROP TABLE earlier_outbox;
CREATE TRIGGER outbox_end BEFORE DELETE ON outbox WHEN old.position = (SELECT max(position) FROM outbox)
  BEGIN SELECT RAISE(ABORT, 'the last event stays: its position must not be given again'); END;
"""
"""Fewer pages for each change, and so less to write: an attempt is one row and one entry of an index
while it is leased, and nobody keeps count of what was inserted. A `queue_number` is one behind all that
wait, and a position one behind all that were told."""

_FOURTH: Final = """
CREATE TABLE journal (
  position INTEGER PRIMARY KEY, run INTEGER NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL,
  happened TEXT NOT NULL, told TEXT NOT NULL
);
INSERT INTO journal SELECT o.position, r.id, o.seq, r.changed_at, '', o.event
  FROM outbox o JOIN run r ON r.tenant = o.tenant AND r.run = o.run;
INSERT INTO journal
  SELECT -row_number() OVER (ORDER BY h.number DESC), r.id, 0, h.at, h.event, ''
  FROM history h JOIN run r ON r.tenant = h.tenant AND r.run = h.run;
DROP TABLE outbox;
DROP TABLE history;
CREATE INDEX journal_of ON journal (run, seq);
CREATE TRIGGER journal_end BEFORE DELETE ON journal
  WHEN old.position = (SELECT max(position) FROM journal)
  BEGIN SELECT RAISE(ABORT, 'the last event stays: its position must not be given again'); END;
"""
"""A change notes what was decided on and what it told in one row: with one entry of an index in place
of three, and without the names of its run and version. `seq` is that of the run behind it. History of
earlier releases, which does not say what was told with it, stands in front of all positions."""

MIGRATIONS: Final = (_FIRST, _SECOND, _THIRD, _FOURTH)
"""What brings a store from each version to the next; a new one is an empty store of version 0."""


def migrate(connection: sqlite3.Connection, place: str) -> None:
    """Bring the store to this version: each step is one transaction, so a crash leaves none half done.

    Raises:
        NewerStoreError: A newer version wrote it.
    """
    while True:
        connection.execute("BEGIN IMMEDIATE")
        try:
            (found,) = connection.execute("PRAGMA user_version").fetchone()
            if found > len(MIGRATIONS):
                raise NewerStoreError(place, found)
            if found == len(MIGRATIONS):
                return
            for statement in filter(str.strip, MIGRATIONS[found].split(";\n")):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {found + 1}")
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
