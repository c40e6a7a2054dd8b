"""The floor: one durable SQLite transaction for each step, and nothing else."""

import json
import sqlite3
import sys
import time


def main() -> None:
    """Measure and print."""
    folder, length, *_ = sys.argv[1:]
    connection = sqlite3.connect(f"{folder}/floor.sqlite", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA wal_autocheckpoint = 4000")
    connection.execute("CREATE TABLE step (number INTEGER PRIMARY KEY, row TEXT)")
    started = time.perf_counter()
    for number in range(int(length)):
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO step VALUES (?, ?)", (number, "x" * 200))
        connection.execute("COMMIT")
    print(json.dumps({"step_s": (time.perf_counter() - started) / int(length), "rate": None}))


if __name__ == "__main__":
    main()
