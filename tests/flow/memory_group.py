"""A flow in a control group of its own, whose memory is too small for one of its messages."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from penstock import Flow, stage
from penstock.flow._control_groups import ControlGroups
from tests.flow.process_stages import fill_at_two

LIMIT = 512 << 20


@contextmanager
def memory_group() -> Iterator[Path]:
    """A new group with the limit; the test is skipped where this machine lets nobody make one."""
    for parent in ControlGroups().groups("memory"):
        group = parent / f"penstock-{uuid4().hex[:8]}"
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            if _limited(group):
                yield group
                return
        finally:
            _remove(group)
    pytest.skip("no control group with a limit of memory can be made here")


def run_within(group: Path) -> dict[str, Any]:
    """What the flow in that group ended with: `rows`, and of each letter `payload`, `reason`, `error`."""
    command = [sys.executable, "-m", __name__, str(group)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def _limited(group: Path) -> bool:
    """Whether the group has the limit now, and no swap beyond it: version 2, or version 1."""
    limits = {
        "memory.max": LIMIT,
        "memory.swap.max": 0,
        "memory.limit_in_bytes": LIMIT,
        "memory.memsw.limit_in_bytes": LIMIT,
    }
    found = [name for name in limits if (group / name).exists()]
    for name in found:
        (group / name).write_text(str(limits[name]))
    return bool(found)


def _remove(group: Path) -> None:
    """Once the last process has left it: some end a moment after the one that started them."""
    deadline = time.monotonic() + 60
    while (group / "cgroup.procs").read_text() and time.monotonic() < deadline:
        os.sched_yield()
    group.rmdir()


def main(group: Path) -> None:
    (group / "cgroup.procs").write_text("0")
    rows: list[int] = []
    filling = stage(pool="process", workers=1)(fill_at_two)
    report = (Flow("fill") | range(5) | filling | rows.append).run()
    letters = [
        {"payload": letter.payload, "reason": letter.reason, "error": letter.error}
        for letter in report.dead_letters
    ]
    print(json.dumps({"rows": rows, "letters": letters}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
