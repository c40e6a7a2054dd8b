"""Objects as files in a directory."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from io import FileIO, RawIOBase
from pathlib import Path
from threading import Lock
from typing import Any

from penstock.files import (
    TEMPORARY_PREFIX,
    place_file,
    remove_abandoned,
    write_atomic,
    write_if_absent,
)
from penstock.storage._errors import ChangedError, NotFoundError, StoreUnavailableError
from penstock.storage._store import ObjectMeta, ObjectStore


class LocalStore(ObjectStore):
    """Files below a directory, which need not exist yet. Writes survive a power cut.

    The version of a file is its inode, time of modification and size.
    Symbolic links are followed; one that leads back into its own path is passed over.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._swept: set[Path] = set()
        self._lock = Lock()

    @property
    def url(self) -> str:
        return str(self._root)

    def get(self, key: str) -> bytes:
        path = self._path(key)
        with _translated(path):
            return path.read_bytes()

    def head(self, key: str) -> ObjectMeta | None:
        path = self._path(key)
        try:
            with _translated(path):
                status = path.stat()
        except NotFoundError:
            return None
        return _meta(key, status) if stat.S_ISREG(status.st_mode) else None

    def open(self, key: str, *, version: str | None = None, start: int = 0) -> RawIOBase:
        path = self._path(key)
        with _translated(path):
            reader = _LocalReader(path, version)
            reader.seek(start)
            return reader

    def list(self, prefix: str = "", *, start_after: str = "") -> Iterator[ObjectMeta]:
        top = self._path(prefix) if prefix.strip("/") else self._root
        head = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        return _walk(top, head, start_after, frozenset())

    def put(self, key: str, data: bytes) -> None:
        path = self._writable(key)
        with _translated(path):
            write_atomic(path, data)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        path = self._writable(key)
        with _translated(path):
            return write_if_absent(path, data) or path.read_bytes() == data

    def put_file(self, key: str, path: Path) -> None:
        target = self._writable(key)
        with _translated(target):
            place_file(target, path)

    def delete(self, key: str) -> None:
        path = self._path(key)
        with _translated(path):
            path.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        parts = key.strip("/").split("/")
        if any(part in {"", ".", ".."} for part in parts):
            raise ValueError(f"expected a relative path without '..' or empty parts, got {key!r}")
        return self._root.joinpath(*parts)

    def _writable(self, key: str) -> Path:
        """The path of `key`, its folder cleared once of what writers that died have left there."""
        path = self._path(key)
        with self._lock:
            first = path.parent not in self._swept
            self._swept.add(path.parent)
        if first:
            with _translated(path):
                remove_abandoned(path.parent)
        return path


class _LocalReader(FileIO):
    """A file that notices, at its end, that it was changed while it was read."""

    def __init__(self, path: Path, version: str | None) -> None:
        super().__init__(path, "rb")
        self._path = path
        found = _version(os.fstat(self.fileno()))
        self._expected = version or found
        if found != self._expected:
            self.close()
            raise ChangedError(str(path), self._expected, found)

    def readinto(self, buffer: Any, /) -> int:
        with _translated(self._path):
            count = super().readinto(buffer)
        if not count and memoryview(buffer):
            self._check()
        return count or 0

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            return self.readall()
        with _translated(self._path):
            data = super().read(size)
        if not data and size != 0:
            self._check()
        return data or b""

    def readall(self) -> bytes:
        with _translated(self._path):
            data = super().readall()
        self._check()
        return data or b""

    def _check(self) -> None:
        found = _version(os.fstat(self.fileno()))
        if found != self._expected:
            raise ChangedError(str(self._path), self._expected, found)


def _walk(
    directory: Path, head: str, start_after: str, above: frozenset[tuple[int, int]]
) -> Iterator[ObjectMeta]:
    """Depth first, a folder standing where its name with `/` sorts: the order of the full names."""
    try:
        with _translated(directory):
            status = directory.stat()
            if (status.st_dev, status.st_ino) in above or not stat.S_ISDIR(status.st_mode):
                return
            with os.scandir(directory) as entries:
                ordered = sorted(
                    (f"{entry.name}/" if _is_folder(entry) else entry.name, entry)
                    for entry in entries
                )
    except NotFoundError:
        return
    below = above | {(status.st_dev, status.st_ino)}
    for name, entry in ordered:
        full = head + name
        if name.endswith("/"):
            if full >= start_after[: len(full)]:
                yield from _walk(directory / entry.name, full, start_after, below)
        elif full > start_after and not name.startswith(TEMPORARY_PREFIX):
            yield from _file(entry, full)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _file(entry: os.DirEntry[str], name: str) -> Iterator[ObjectMeta]:
    try:
        status = entry.stat()
    except OSError:  # gone since it was listed, or a link that leads nowhere
        return
    if stat.S_ISREG(status.st_mode):
        yield _meta(name, status)


def _meta(name: str, status: os.stat_result) -> ObjectMeta:
    modified = datetime.fromtimestamp(status.st_mtime, UTC)
    return ObjectMeta(name, status.st_size, _version(status), modified)


def _version(status: os.stat_result) -> str:
    return f"{status.st_ino}-{status.st_mtime_ns}-{status.st_size}"


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFoundError(str(path)) from error
    except OSError as error:
        raise StoreUnavailableError(str(path), error.strerror or str(error)) from error
