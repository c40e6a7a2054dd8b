"""Local files that are there whole or not at all, whenever the writer dies."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex

TEMPORARY_PREFIX = ".penstock-tmp-"
"""Files named so are being written, or were left behind by a writer that died."""

_ABANDONED_S = 3600.0
_ADVISES = hasattr(os, "posix_fadvise")


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file, replacing what is there; content and name are on disk when it returns."""
    with _temporary(path.parent) as temporary:
        _write(temporary, data)
        temporary.replace(path)
    sync_directory(path.parent)


def write_if_absent(path: Path, data: bytes) -> bool:
    """Write a file unless the name is taken; False if it is. Of several rivals one wins."""
    with _temporary(path.parent) as temporary:
        _write(temporary, data)
        try:
            os.link(temporary, path)
        except FileExistsError:
            return False
    sync_directory(path.parent)
    return True


def place_file(path: Path, source: Path) -> None:
    """Give the content of `source` the name `path` too: a hard link, or a copy across file systems."""
    with _temporary(path.parent) as temporary:
        _link_or_copy(source, temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    sync_directory(path.parent)


def sync_directory(path: str | Path) -> None:
    """Make the names in a directory survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def begin_writeback(descriptor: int, offset: int, size: int) -> None:
    """Have the system begin to write a part of a file to the disk, while its rest is made.

    A hint, which promises nothing: a sync that comes later has less to wait for.
    The advice is to drop the part from memory; of what is not on the disk yet, Linux begins the
    writing and drops nothing. Each part is to be advised once, as soon as it was written.
    Source: posix_fadvise(2); nothing happens where there is no such call.
    """
    if _ADVISES:
        os.posix_fadvise(descriptor, offset, size, os.POSIX_FADV_DONTNEED)


def remove_abandoned(directory: Path) -> int:
    """Remove what writers that died more than an hour ago left in a directory; returns how many.

    Ages are taken against a file made now, so only the file system's own clock counts.
    """
    removed = 0
    with _temporary(directory) as temporary:
        temporary.touch()
        now = temporary.stat().st_mtime
        for name in os.listdir(directory):  # noqa: PTH208 - plain names are enough, for a large folder
            if name.startswith(TEMPORARY_PREFIX):
                with suppress(FileNotFoundError):
                    if now - (directory / name).stat().st_mtime > _ABANDONED_S:
                        (directory / name).unlink()
                        removed += 1
    return removed


@contextmanager
def _temporary(directory: Path) -> Iterator[Path]:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{TEMPORARY_PREFIX}{token_hex(8)}"
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _write(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP}:
            raise
        shutil.copyfile(source, target)
