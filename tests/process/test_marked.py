"""What a child has started is found when the one who started the child is gone."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from penstock.base import SystemClock
from penstock.process import end_marked
from tests.process.test_child import _alive, _until_logged, _until_readable

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="environments are read from /proc"),
]

_PARENT = """
import asyncio, sys
from pathlib import Path
from penstock.base import SystemClock
from penstock.process import ProcessSpec, run_process
command = "setsid sleep 600 & echo $!; sleep 600"
spec = ProcessSpec(("/bin/sh", "-c", command), {"MARK": sys.argv[1], "PATH": sys.argv[3]}, log_file=Path(sys.argv[2]))
asyncio.run(run_process(spec, clock=SystemClock()))
"""


def test_what_the_child_of_a_killed_parent_started_is_ended_by_its_mark(tmp_path: Path) -> None:
    """Also in a session of its own; what has another mark lives on."""
    log = tmp_path / "log"
    mark = str(tmp_path)

    async def ended(value: str) -> bool:
        return await end_marked("MARK", value, clock=SystemClock())

    with subprocess.Popen(
        [sys.executable, "-c", _PARENT, mark, str(log), os.environ["PATH"]]
    ) as parent:
        asyncio.run(_until_logged(log, "\n"))
        left = int(log.read_text())
        watch = os.pidfd_open(left)
        parent.kill()

    assert _alive(left)
    assert not asyncio.run(ended(mark + "x"))
    assert _alive(left)
    assert asyncio.run(ended(mark))
    asyncio.run(_until_readable(watch))
    assert not asyncio.run(ended(mark))
