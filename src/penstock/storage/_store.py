"""The port: objects under keys."""

from collections.abc import Iterator
from datetime import datetime
from io import RawIOBase
from pathlib import Path
from typing import Protocol

from penstock.base import Value


class ObjectMeta(Value):
    """One object as it was when it was listed or looked at."""

    name: str
    """Its key: path below the store's root, with `/`."""

    size: int
    """Bytes as stored."""

    version: str
    """Changes when the content does; only ever compared for equality."""

    last_modified: datetime
    """In UTC, by the store's clock."""


class ObjectStore(Protocol):
    """Objects below one URL. Keys are relative paths with `/`; no `..`, no empty part.

    All methods block and are safe to call from many threads. Every method may raise
    StoreUnavailableError: nothing is known about the object then, and the call may be repeated.
    A reader sees an object whole or not at all, whenever a writer dies.
    """

    @property
    def url(self) -> str:
        """Where it is, without secrets; for messages."""
        ...

    def get(self, key: str) -> bytes:
        """The whole object; for small ones.

        Raises:
            NotFoundError: It does not exist.
        """
        ...

    def head(self, key: str) -> ObjectMeta | None:
        """What is known of the object, or None where there is none."""
        ...

    def open(self, key: str, *, version: str | None = None, start: int = 0) -> RawIOBase:
        """A stream over the object's bytes from `start`, in bounded memory; the caller closes it.

        Reading raises ChangedError as soon as the object is seen to be another than at its start,
        or than `version`; for a local file at the latest when its end is read.

        Raises:
            NotFoundError: It does not exist.
            ChangedError: It is not `version`.
        """
        ...

    def list(self, prefix: str = "", *, start_after: str = "") -> Iterator[ObjectMeta]:
        """All objects below the folder `prefix`, in ascending order of their names.

        Args:
            prefix: Whole path parts; a folder that does not exist has no objects.
            start_after: Only names greater than this one.
        """
        ...

    def put(self, key: str, data: bytes) -> None:
        """Store `data`, replacing what is there; durable when it returns."""
        ...

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """Store `data` unless there is an object already; of several rivals one wins.

        Returns:
            Whether the object now holds `data`: also True for equal bytes that were there before,
            because a store that repeats a request after a lost answer cannot tell these apart.
            Where one rival must win, put something of its own into `data`.
        """
        ...

    def put_file(self, key: str, path: Path) -> None:
        """Store the content of a local file, replacing what is there; in bounded memory.

        The file must not be changed afterwards, only deleted: the object may share its bytes.
        """
        ...

    def delete(self, key: str) -> None:
        """Delete the object; one that does not exist is fine."""
        ...
