"""What a killed process left is removed, and what a living one needs is not."""

import subprocess
import sys
from pathlib import Path

from penstock.ingest._spool import spool

_HOLD = "import sys; from pathlib import Path; from penstock.ingest._spool import spool\n"
_HOLD += "with spool(Path(sys.argv[1])) as d: print(d, flush=True); sys.stdin.read()"


def test_a_directory_is_fresh_and_gone_at_the_end(tmp_path: Path) -> None:
    with spool(tmp_path / "s") as directory:
        (directory / "output").touch()

    assert list((tmp_path / "s").iterdir()) == []


def test_what_others_use_stays_until_they_are_dead(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        theirs = Path(child.stdout.readline().strip())
        with spool(tmp_path):
            assert theirs.is_dir()
        child.kill()
        child.wait()

    with spool(tmp_path) as ours:
        assert list(tmp_path.iterdir()) == [ours]
