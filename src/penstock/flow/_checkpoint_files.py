"""The files of a checkpoint directory: taken by one run, written whole or not at all."""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from penstock.base import Failpoints, RecordError, Value
from penstock.files import sync_directory
from penstock.flow._errors import CheckpointError
from penstock.flow._state import CheckpointState, NewerVersionError, packed, unpacked

TEMPORARY = ".checkpoint-tmp"
_LOCK = "lock"
_NAME = re.compile(r"checkpoint-(\d{12})")
_KEPT = 2


class CheckpointVersion(Value):
    """One version in a directory: its state, or what is wrong with it."""

    number: int
    path: Path
    size: int
    """In bytes."""

    state: CheckpointState | None
    problem: str = ""
    newer: bool = False
    """It is sound, and was written by a newer version of Penstock."""


def read_versions(directory: Path) -> list[CheckpointVersion]:
    """All versions in a directory, newest first, each read and checked."""
    found = []
    for name in names_in(directory):
        matched = _NAME.fullmatch(name)
        if matched is not None:
            found.append(_read(directory / name, int(matched[1])))
    # A run that goes on meanwhile removes what it no longer needs.
    present = [version for version in found if version is not None]
    return sorted(present, key=lambda version: -version.number)


def names_in(directory: Path) -> list[str]:
    """What is in a directory.

    Raises:
        CheckpointError: There is no such directory.
    """
    try:
        return sorted(os.listdir(directory))  # noqa: PTH208 - plain names are enough
    except (FileNotFoundError, NotADirectoryError):
        raise CheckpointError(
            str(directory),
            "there is no such directory",
            "give the one in `checkpoint=` of the flow",
        ) from None


def _read(path: Path, number: int) -> CheckpointVersion | None:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        return CheckpointVersion(number, path, len(data), unpacked(data, path.name))
    except NewerVersionError as error:
        return CheckpointVersion(number, path, len(data), None, str(error), newer=True)
    except RecordError as error:
        return CheckpointVersion(number, path, len(data), None, str(error))


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Have a directory, which is made where it is missing, for one run alone.

    Raises:
        CheckpointError: Another run has it.
    """
    directory.mkdir(parents=True, exist_ok=True)
    handle = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(handle, 32, 0).decode("ascii", "replace").strip() or "unknown"
            raise CheckpointError(
                str(directory),
                f"process {holder} is using it",
                "wait for its end, or give each flow a directory of its own",
            ) from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(handle)


class VersionWriter:
    """Adds versions to a locked directory, and removes those that are no longer needed.

    The last good version before the newest stays; damaged ones are never removed.
    """

    def __init__(
        self, directory: Path, versions: list[CheckpointVersion], points: Failpoints
    ) -> None:
        self._directory = directory
        self._points = points
        self._good = [version.number for version in versions if version.state is not None]
        self._newest = max((version.number for version in versions), default=0)

    def next_number(self) -> int:
        """A number above all that were ever there."""
        self._newest += 1
        return self._newest

    def write(self, state: CheckpointState) -> None:
        """Add a version; it is on disk when this returns."""
        cross = self._points.cross
        temporary = self._directory / TEMPORARY
        cross("checkpoint.begin")
        with temporary.open("wb", buffering=0) as file:
            data = packed(state)
            file.write(data[: len(data) // 2])
            cross("checkpoint.half")
            file.write(data[len(data) // 2 :])
            os.fsync(file.fileno())
        cross("checkpoint.synced")
        temporary.replace(self._path(state.number))
        cross("checkpoint.renamed")
        sync_directory(self._directory)
        cross("checkpoint.durable")
        self._good.insert(0, state.number)
        for number in self._good[_KEPT:]:
            self._path(number).unlink(missing_ok=True)
        del self._good[_KEPT:]
        cross("checkpoint.end")

    def _path(self, number: int) -> Path:
        return self._directory / f"checkpoint-{number:012d}"
