"""What workers have done, counted where others can read it: three numbers and bytes in a small file."""

import os
import struct
from collections import Counter
from pathlib import Path

from penstock.kanban._disk import Disk

DONE, FAILED, RETRIED = "done", "failed", "retried"
BYTES = "bytes"
_NAMES = (DONE, FAILED, RETRIED, BYTES)
_FORM = struct.Struct("<4Q")


class Tally:
    """Counts the work of one worker; a file holds the numbers, so that they outlive its death."""

    def __init__(self, path: Path | None = None) -> None:
        """Begin with nothing; without a path nobody is told."""
        self._counts = Counter(dict.fromkeys(_NAMES, 0))
        self._descriptor = -1
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)

    def count(self, result: str, size: int = 0) -> None:
        """One more token with this result, of so many bytes."""
        self._counts[result] += 1
        self._counts[BYTES] += size
        if self._descriptor >= 0:
            os.pwrite(self._descriptor, _FORM.pack(*(self._counts[name] for name in _NAMES)), 0)

    def close(self) -> None:
        """Let go of the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)


def read_tally(path: str) -> Counter[str]:
    """The numbers in a file; none where there is none yet."""
    try:
        data = Disk().read(path)
        return Counter(dict(zip(_NAMES, _FORM.unpack(data), strict=True)))
    except (FileNotFoundError, struct.error):
        return Counter()
