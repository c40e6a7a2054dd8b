"""Prefect with its ephemeral server on SQLite, one task after the other in one flow."""

import json
import sys
import time

from prefect import flow, task


@task
def nothing() -> None:
    """A step that does nothing."""


@flow
def chain(length: int) -> None:
    """One step after the other."""
    for _ in range(length):
        nothing()


def main() -> None:
    """Measure and print."""
    length = int(sys.argv[2])
    chain(3)
    started = time.perf_counter()
    chain(length)
    print(json.dumps({"step_s": (time.perf_counter() - started) / length, "rate": None}))


if __name__ == "__main__":
    main()
