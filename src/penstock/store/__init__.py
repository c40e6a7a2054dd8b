"""Where runs are kept: SQLite in one file, with no server.

Owns: the adapter of the ports of `penstock.workflow` for SQLite, its schema and its migrations.
Promises: each change is one durable transaction with its history, timers and events; who holds a
lease no more changes nothing; a store of an earlier version is brought forward when it is opened.
Does not: decide anything; build domain objects that are not in a row.
"""

from penstock.store._database import StoreUnavailableError
from penstock.store._schema import NewerStoreError
from penstock.store._sqlite import open_sqlite

__all__ = ["NewerStoreError", "StoreUnavailableError", "open_sqlite"]
