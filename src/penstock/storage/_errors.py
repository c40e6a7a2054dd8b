"""What can go wrong with objects, told apart by what the caller should do."""

import re
from dataclasses import dataclass

from penstock.base import PenstockError

_COLOR = re.compile(r"\x1b\[[0-9;]*m")
_CAUSE = "↳"
_NO_CREDENTIALS = (
    "169.254.169.254",
    "loading credentials",
)  # where a cloud's machines ask for them
_CREDENTIALS = (
    "no credentials were found: set aws_access_key_id and aws_secret_access_key in storage_options, "
    "or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment"
)


def reason_of(error: BaseException) -> str:
    """What a store's client says happened, on one line, with all causes; what to do where credentials lack.

    The debug text that obstore puts below its first line is left out.
    """
    first, *rest = _COLOR.sub("", str(error)).splitlines() or [type(error).__name__]
    causes = [line.strip(f" {_CAUSE}") for line in rest if _CAUSE in line]
    said = ": ".join([first, *causes])
    return f"{_CREDENTIALS} ({said})" if any(sign in said for sign in _NO_CREDENTIALS) else said


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

    exit_code = 2

    url: str
    reason: str

    def __str__(self) -> str:
        return f"cannot open {self.url!r}: {self.reason}"
