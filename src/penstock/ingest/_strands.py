"""How many outputs a plan fills side by side, and which of them gets which file; decided by the plan alone.

A strand is one output after the other, written by one thread at a time.
"""

from collections.abc import Sequence
from pathlib import PurePosixPath

from penstock.ingest._plan import FileVersion, WriterSettings

_LEAST_SHARE = 4
"""A strand has at least this part of `file_size` to read, packed: its outputs are about as large."""

_PACKED = frozenset({".gz", ".zst", ".zstd"})
_PACKING = 8
"""How many times smaller NDJSON gets by packing, at least roughly."""


def strands(files: Sequence[FileVersion], settings: WriterSettings) -> int:
    """How many strands a plan gets: enough for all threads, if that leaves no output small.

    Args:
        files: The plan's.
        settings: Of its outputs, with as many strands as there are threads.
    """
    packed = sum(file.size if _is_packed(file) else file.size // _PACKING for file in files)
    least = settings.file_size // _LEAST_SHARE
    return max(1, min(settings.strands, packed // max(least, 1)))


def deal(files: Sequence[FileVersion], count: int) -> tuple[int, ...]:
    """The strand of each file, from 0: always the one that has the fewest bytes so far."""
    filled = [0] * count
    dealt = []
    for file in files:
        strand = filled.index(min(filled))
        filled[strand] += file.size
        dealt.append(strand)
    return tuple(dealt)


def _is_packed(file: FileVersion) -> bool:
    return PurePosixPath(file.name).suffix in _PACKED
