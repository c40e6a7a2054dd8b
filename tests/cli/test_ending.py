"""The program ends in its own way, and nobody can tell but by the time it takes."""

import subprocess
import sys
from pathlib import Path

import pytest

_PROGRAM = "from penstock.cli._ending import end\nimport atexit, os, sys, threading\n"


def _ended(program: str, **streams: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", _PROGRAM + program]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
    return subprocess.run(command, check=False, text=True, **streams)


@pytest.mark.parametrize(
    ("code", "number", "said"),
    [
        ("None", 0, ""),
        ("0", 0, ""),
        ("3", 3, ""),
        ("-1", 255, ""),
        ("'no such thing'", 1, "no such thing\n"),
    ],
)
def test_the_code_is_what_the_interpreter_would_give(code: str, number: int, said: str) -> None:
    done = _ended(f"end(SystemExit({code}))")
    usual = _ended(f"raise SystemExit({code})")

    assert (done.returncode, done.stderr) == (number, said)
    assert (usual.returncode, usual.stderr) == (number, said)


def test_what_was_said_is_heard_and_what_was_asked_for_at_the_end_is_done() -> None:
    """Logs are flushed at the end, and so are the figures of whoever measures us."""
    done = _ended(
        "print('out'); print('err', file=sys.stderr)\n"
        "atexit.register(print, 'asked for')\n"
        "end(SystemExit(0))"
    )

    assert done.stdout == "out\nasked for\n"
    assert done.stderr == "err\n"


def test_threads_are_waited_for() -> None:
    """Only a daemon may be cut short."""
    done = _ended(
        "ending = threading.Event()\n"
        "def work():\n"
        "    ending.wait(); print('worked')\n"
        "threading.Thread(target=work).start()\n"
        "threading._register_atexit(ending.set)\n"
        "end(SystemExit(0))"
    )

    assert done.stdout == "worked\n"


def test_nothing_is_taken_down() -> None:
    """What native libraries do then has aborted processes whose work was done."""
    program = "class Library:\n    def __del__(self, write=os.write): write(1, b'taken down')\nsys.library = Library()\n"

    assert _ended(f"{program}raise SystemExit(0)").stdout == "taken down"
    assert _ended(f"{program}end(SystemExit(0))").stdout == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no disk that is always full")
def test_a_full_disk_is_not_passed_over() -> None:
    with Path("/dev/full").open("w") as full:
        done = _ended(
            "sys.stdout = open(1, 'w', closefd=False)\n"  # buffered, whatever the environment says
            "print('lost'); end(SystemExit(0))",
            stdout=full.fileno(),
        )

    assert done.returncode == 120
    assert "No space left" in done.stderr
