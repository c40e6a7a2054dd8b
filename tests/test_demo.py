"""The demo does what it says."""

import subprocess
import sys
from pathlib import Path

import pytest

from tools.links import ROOT


@pytest.mark.slow
def test_the_demo_accounts_for_every_flight_after_its_kill(tmp_path: Path) -> None:
    """Not on a terminal, as in a build log."""
    done = subprocess.run(
        [sys.executable, "-m", "demo.run"],
        check=False,
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr
    assert "336,776 in all, of 336,776 flights" in done.stdout
    assert "kill -9: the table is whole" in done.stdout
    assert "arrived -> sums -> publish: 980 flights from 3 airports" in done.stdout
    assert "Where to look next" in done.stdout
