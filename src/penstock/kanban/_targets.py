"""Where an upload goes: a file, or an object in a store."""

import shutil
from pathlib import Path
from typing import Any, Protocol

from penstock.kanban._data import part_of, publish, sha256_of


class Target(Protocol):
    """A place for one data file."""

    def holds(self, size: int, checksum: str) -> bool:
        """Whether it has exactly these bytes already."""
        ...

    def store(self, source: Path) -> None:
        """Give it the content of a file, replacing what is there; a reader sees all of it or none."""
        ...


class LocalTarget(Target):
    """A file, on whatever file system."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def holds(self, size: int, checksum: str) -> bool:
        path = self._path
        return path.is_file() and path.stat().st_size == size and sha256_of(path) == checksum

    def store(self, source: Path) -> None:
        part = part_of(self._path)
        shutil.copyfile(source, part)
        publish(part, self._path)


class StoreTarget(Target):
    """An object, which is read back to be sure; or only asked for its size."""

    def __init__(self, stores: Any, url: str, *, read_back: bool) -> None:
        self._stores = stores
        self._url = url
        self._read_back = read_back

    def holds(self, size: int, checksum: str) -> bool:
        found = self._stores.look(self._url)
        if found is None or found.size != size:
            return False
        return not self._read_back or bool(self._stores.sha256(self._url) == checksum)

    def store(self, source: Path) -> None:
        self._stores.put(source, self._url)
