"""How programs of one user find what each other serve."""

import subprocess
import sys
from pathlib import Path

import pytest

from penstock.telemetry import HealthBoard, Metrics, TelemetryServer
from penstock.telemetry._runtime import Note, notes
from penstock.testing import FakeClock


def test_an_address_is_found_as_long_as_it_is_served_on() -> None:
    server = TelemetryServer(Metrics(), HealthBoard(FakeClock()))
    address = server.start("127.0.0.1:0")
    found = TelemetryServer.running()
    server.stop()

    assert address in found
    assert address not in TelemetryServer.running()


def test_what_a_killed_process_noted_is_not_found_and_is_removed(tmp_path: Path) -> None:
    """By the lock, which the kernel frees."""
    program = (
        "import os, signal; from pathlib import Path; from penstock.telemetry._runtime import Note; "
        f"note = Note('127.0.0.1:1', Path({str(tmp_path)!r})); os.kill(os.getpid(), signal.SIGKILL)"
    )
    tmp_path.chmod(0o700)
    subprocess.run([sys.executable, "-c", program], check=False)
    living = Note("127.0.0.1:2", tmp_path)
    assert len(list(tmp_path.iterdir())) == 2

    assert list(notes(tmp_path)) == ["127.0.0.1:2"]
    assert len(list(tmp_path.iterdir())) == 1
    living.remove()
    assert list(tmp_path.iterdir()) == []


def test_a_directory_in_which_others_may_write_is_not_used(tmp_path: Path) -> None:
    """They could send us to a program of theirs."""
    shared = tmp_path / "shared"
    Note("127.0.0.1:1", shared).remove()
    assert shared.stat().st_mode & 0o777 == 0o700
    shared.chmod(0o777)
    (shared / "1-1").write_text("127.0.0.1:1")

    note = Note("127.0.0.1:2", shared)

    assert [path.name for path in shared.iterdir()] == ["1-1"]
    assert notes(shared) == {}
    note.remove()


@pytest.mark.parametrize("made", [True, False], ids=["a file", "nothing"])
def test_where_there_is_no_directory_nothing_is_noted_and_nothing_fails(
    tmp_path: Path, made: bool
) -> None:
    place = tmp_path / "there"
    if made:
        place.write_text("mine")
    else:
        place = place / "deeper"

    Note("127.0.0.1:2", place).remove()

    assert notes(place) == {}
