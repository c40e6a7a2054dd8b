"""The package as a user gets it: a wheel, without extras."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
UV = Path(sys.executable).with_name("uv")
PROGRAM = """
import sys
import penstock
from penstock import Flow
assert "site-packages" in penstock.__file__, penstock.__file__
rows = []
report = (Flow("bare") | range(3) | (lambda number: number * 2) | rows.append).run()
assert rows == [0, 2, 4], rows
try:
    import pyarrow
except ImportError:
    print(report.delivered, "delivered without the lake's libraries")
"""


def run(*command: object, cwd: Path) -> str:
    """What a command prints, away from this environment's own modules."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env=environment, check=False, capture_output=True, text=True
    )  # fmt: skip
    assert not done.returncode, done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_wheel_without_extras_runs_a_flow_and_shows_its_help(tmp_path: Path) -> None:
    """Built from the source distribution, beside the base dependencies alone, so that nothing else can help."""
    python = tmp_path / "bare" / "bin" / "python"
    run(UV, "build", "--offline", "--quiet", "-o", tmp_path, ROOT, cwd=tmp_path)
    run(UV, "venv", "--offline", "--quiet", "--python", sys.executable, tmp_path / "bare", cwd=tmp_path)  # fmt: skip
    (wheel,) = tmp_path.glob("penstock-*.whl")
    # Offline: `make setup` has brought everything into uv's cache, and nothing newer shall be tried here.
    run(UV, "pip", "install", "--offline", "--quiet", "--python", python, "-c", ROOT / "requirements.lock", wheel, cwd=tmp_path)  # fmt: skip

    printed = run(python, "-c", PROGRAM, cwd=tmp_path)
    shown = run(python.with_name("penstock"), "--help", cwd=tmp_path)

    assert printed == "3 delivered without the lake's libraries\n"
    assert "validate" in shown
