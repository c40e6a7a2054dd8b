"""Data files in object stores: loaded only where a URL names one."""

import hashlib
from collections.abc import Mapping
from io import RawIOBase
from pathlib import Path

from penstock.storage import LocationError, ObjectMeta, ObjectStore, StoragePool

_CHUNK = 1 << 20


class Stores:
    """Objects by URL, with one client per bucket."""

    def __init__(self, options: Mapping[str, str]) -> None:
        self._options = options
        self._pool = StoragePool()

    def problem(self, url: str) -> str:
        """What is wrong with a URL or the options; empty if nothing is. Nothing is asked of the store."""
        head = url.partition("{")[0]
        if head.count("/") < 3:
            return ""  # the bucket itself is filled in from the token
        try:
            self._pool.open(head.rpartition("/")[0], self._options)
        except LocationError as error:
            return str(error)
        return ""

    def look(self, url: str) -> ObjectMeta | None:
        """What is known of an object; None where there is none."""
        store, key = self._at(url)
        return store.head(key)

    def open(self, url: str, *, version: str, start: int) -> RawIOBase:
        """A stream over the bytes of one version of an object."""
        store, key = self._at(url)
        return store.open(key, version=version, start=start)

    def put(self, path: Path, url: str) -> None:
        """Store a file as an object, replacing what is there."""
        store, key = self._at(url)
        store.put_file(key, path)

    def sha256(self, url: str) -> str:
        """The checksum of an object, whose bytes are read for it."""
        store, key = self._at(url)
        digest = hashlib.sha256()
        with store.open(key) as stream:
            while block := stream.read(_CHUNK):
                digest.update(block)
        return digest.hexdigest()

    def sizes(self, prefix: str) -> dict[str, int]:
        """Bytes by URL of all objects below a folder."""
        store = self._pool.open(prefix, self._options)
        return {f"{prefix}/{meta.name}": meta.size for meta in store.list()}

    def _at(self, url: str) -> tuple[ObjectStore, str]:
        base, _, key = url.rpartition("/")
        return self._pool.open(base, self._options), key
