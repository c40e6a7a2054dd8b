"""What each attempt printed: one file per attempt, written by the step's own process."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from penstock.base import Value
from penstock.workflow import record

_TAIL_BYTES: Final = 256 * 1024


class LogChunk(Value):
    """A part of a log."""

    data: bytes
    offset: int
    """Where the next part begins: hand it to the next read."""


class Logs:
    """The logs below a directory; they can be read while they grow, by any process."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def path(self, run: str, ref: record.AttemptRef) -> Path:
        """The file of an attempt; its directory is made."""
        folder = self._directory / run
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{name_of(ref)}.log"

    def read(
        self, run: str, ref: record.AttemptRef, *, offset: int = 0, limit: int = 1 << 20
    ) -> LogChunk:
        """Return at most `limit` bytes from `offset`; none where nothing was printed since."""
        try:
            with self.path(run, ref).open("rb") as file:
                file.seek(offset)
                data = file.read(limit)
        except FileNotFoundError:
            data = b""
        return LogChunk(data, offset + len(data))

    def last_line(self, run: str, ref: record.AttemptRef) -> str:
        """The last line that is not empty, or an empty text."""
        path = self.path(run, ref)
        if not path.exists():
            return ""
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def attempts(self, run: str) -> Sequence[record.AttemptRef]:
        """The attempts of a run that have a log, in order."""
        folder = self._directory / run
        names = (path.stem for path in folder.glob("*.log")) if folder.is_dir() else ()
        return sorted(map(ref_of, names))


def name_of(ref: record.AttemptRef) -> str:
    """A file name for an attempt: `step.1`, `step.item-4.1`, `step.undo.1`."""
    item = "" if ref.item == record.WHOLE else f".item-{ref.item}"
    return f"{ref.step}{item}{'.undo' if ref.undo else ''}.{ref.number}"


def ref_of(name: str) -> record.AttemptRef:
    """The attempt that `name_of` gave the name to; step names have no dots."""
    step, *middle, number = name.split(".")
    items = [int(part.removeprefix("item-")) for part in middle if part != "undo"]
    return record.AttemptRef(
        step, items[0] if items else record.WHOLE, int(number), "undo" in middle
    )
