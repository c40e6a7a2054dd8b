"""What can go wrong with objects, told apart by what the caller should do."""

from dataclasses import dataclass

from penstock.base import PenstockError


class StorageError(PenstockError):
    """Something about an object or its store."""


@dataclass(eq=False)
class NotFoundError(StorageError):
    """There is no such object; the store itself answers."""

    url: str

    def __str__(self) -> str:
        return f"{self.url} does not exist"


@dataclass(eq=False)
class ChangedError(StorageError):
    """The object is no longer the version that was asked for; what was read of it must be dropped."""

    url: str
    expected: str
    found: str

    def __str__(self) -> str:
        return (
            f"{self.url} was replaced or changed: expected version {self.expected!r}, "
            f"found {self.found!r}; list it again and read the new version from its start"
        )


@dataclass(eq=False)
class StoreUnavailableError(StorageError):
    """The store failed, not the object: credentials, connection, server, space. Back off and try again.

    The outcome of a write that ends like this is unknown: it may have been done.
    """

    url: str
    reason: str

    def __str__(self) -> str:
        return f"{self.url} cannot be reached or written now: {self.reason}"


@dataclass(eq=False)
class LocationError(StorageError):
    """A URL or its options name no store that can be opened; nothing was tried."""

    url: str
    reason: str

    def __str__(self) -> str:
        return f"cannot open {self.url!r}: {self.reason}"
