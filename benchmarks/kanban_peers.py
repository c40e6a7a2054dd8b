"""Other queues of files, doing the same: publish, claim, settle. Rates in items per second.

Each is used as its guide shows, on the same disk. Run by `bench_kanban` in an environment of their
own: `python kanban_peers.py NAME FOLDER ITEMS` prints the rate.
"""

import importlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

BODY = {"title": "x" * 80}


def huey_sqlite(folder: Path, items: int) -> float:
    """Huey with its SQLite storage, as it comes: no fsync."""
    return _huey("SqliteHuey", items, filename=str(folder / "huey.db"))


def huey_files(folder: Path, items: int) -> float:
    """Huey with its file storage, which numbers its files under a lock."""
    return _huey("FileHuey", items, path=str(folder / "huey"))


def _huey(kind: str, items: int, **where: Any) -> float:
    huey = getattr(importlib.import_module("huey"), kind)("bench", results=False, **where)

    @huey.task()  # type: ignore[untyped-decorator]  # it has no types
    def work(number: int, body: dict[str, str]) -> None:
        pass

    started = time.perf_counter()
    for number in range(items):
        work(number, BODY)
    for _ in range(items):
        huey.execute(huey.dequeue())
    return items / (time.perf_counter() - started)


def luigi(folder: Path, items: int) -> float:
    """Luigi with its local scheduler: a task per item, done when its file is there."""
    module: Any = importlib.import_module("luigi")

    class Item(module.Task):  # type: ignore[misc]  # it has no types
        number = module.IntParameter()

        def output(self) -> Any:
            return module.LocalTarget(str(folder / f"{self.number:06}"))

        def run(self) -> None:
            with self.output().open("w") as file:
                file.write(BODY["title"])

    started = time.perf_counter()
    module.build([Item(number) for number in range(items)], local_scheduler=True, log_level="ERROR")
    return items / (time.perf_counter() - started)


def nq(folder: Path, items: int) -> float:
    """Nq: a process and a log file per item, one after the other."""
    started = time.perf_counter()
    environ = {**os.environ, "NQDIR": str(folder)}
    for _ in range(items):
        subprocess.run(["nq", "-q", "true"], env=environ, check=True)
    subprocess.run(["nq", "-w"], env=environ, check=True)
    return items / (time.perf_counter() - started)


def persist_queue(folder: Path, items: int) -> float:
    """persist-queue's acknowledging queue in SQLite, which syncs each step of each item."""
    queue = importlib.import_module("persistqueue").SQLiteAckQueue(str(folder), auto_commit=True)
    started = time.perf_counter()
    for number in range(items):
        queue.put({"id": number, **BODY})
    for _ in range(items):
        queue.ack(queue.get())
    return items / (time.perf_counter() - started)


PEERS: Mapping[str, Callable[[Path, int], float]] = {
    "huey on SQLite": huey_sqlite,
    "huey on files": huey_files,
    "Luigi": luigi,
    "nq": nq,
    "persist-queue": persist_queue,
}


if __name__ == "__main__":
    print(PEERS[sys.argv[1]](Path(sys.argv[2]), int(sys.argv[3])))
