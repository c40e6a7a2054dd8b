"""What a person at a terminal sees, and what goes through a pipe."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.ingest.workplace import Workplace

pytestmark = pytest.mark.slow
_PROGRAM = [sys.executable, "-c", "from penstock.cli import main; main()"]
_STEERING = "\x1b]0;mine\x07"


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    """One file of fifty rows, and a line that would set the title of a terminal."""
    made = Workplace(tmp_path)
    made.put("1.ndjson.gz", range(50), _STEERING)
    return made


def at_a_terminal(*arguments: object) -> str:
    """All that a command writes where both of its outputs are a terminal."""
    master, terminal = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100"}
    command = [*_PROGRAM, *map(str, arguments)]
    with subprocess.Popen(command, stdout=terminal, stderr=terminal, env=environment) as child:
        os.close(terminal)
        output = b"".join(iter(lambda: _read(master), b""))
    os.close(master)
    assert child.returncode == 0, output
    return output.decode()


def _read(master: int) -> bytes:
    try:
        return os.read(master, 1 << 16)
    except OSError:  # Linux says so when the last writer is gone
        return b""


def through_a_pipe(*arguments: object) -> subprocess.CompletedProcess[bytes]:
    command = [*_PROGRAM, *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True)


def test_at_a_terminal_the_figures_are_drawn_in_place_and_no_log_disturbs_them(
    place: Workplace,
) -> None:
    shown = at_a_terminal("run", "--once", place.config)

    assert "p files" in shown
    assert "1 of 1 (100 %)" in shown
    assert "1 dead letter" in shown
    assert "working on a plan" not in shown
    assert shown.rstrip().splitlines()[-1].startswith("p         completed      1       50")


def test_through_a_pipe_only_the_result_is_on_standard_output(place: Workplace) -> None:
    done = through_a_pipe("run", "--once", place.config)

    assert len(done.stdout.splitlines()) == 2
    assert b"\x1b" not in done.stdout + done.stderr
    assert all(line.startswith(b"{") for line in done.stderr.splitlines())


def test_a_dead_letter_cannot_steer_the_terminal_it_is_shown_on(place: Workplace) -> None:
    """Through a pipe its bytes come as they stood in the file: that is what a repair starts from."""
    through_a_pipe("run", "--once", place.config)

    assert "\\x1b]0;mine\\x07" in at_a_terminal("dlq", "show", place.config)
    assert through_a_pipe("dlq", "show", place.config).stdout.endswith(f"\n{_STEERING}\n".encode())
