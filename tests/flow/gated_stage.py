"""A module for worker processes in which a test decides what happens in which order.

PENSTOCK_GATE names a directory: each worker notes its pid in `started` when it loads this module,
and the third one to do so waits until `open` (a named pipe) is written to.
"""

import os
import signal
from pathlib import Path

FOLDER = Path(os.environ.get("PENSTOCK_GATE", "."))


def note(name: str, text: str) -> int:
    """Append a line; how many there are then."""
    with (FOLDER / name).open("a") as file:
        file.write(f"{text}\n")
    return len((FOLDER / name).read_text().splitlines())


if "PENSTOCK_GATE" in os.environ and note("started", str(os.getpid())) == 3:
    (FOLDER / "open").read_text()


def work(number: int) -> tuple[int, int]:
    """The number and who had it; dies with 0 at the first attempt, once the other worker is at work."""
    if number == 0 and note("tries", "0") == 1:
        (FOLDER / "at work").read_text()
        os.kill(os.getpid(), signal.SIGKILL)
    if number == 1:
        (FOLDER / "at work").write_text("one")
    return number, os.getpid()
