"""What can go wrong on a board."""

import errno
from dataclasses import dataclass
from types import TracebackType

from penstock.base import PenstockError

OTHER_FILE_SYSTEM = (
    "it lies on another file system than its neighbour: tokens move by rename, "
    "so all buckets of a board lie on one file system"
)
_WORDS = {
    errno.EROFS: "the file system is read-only; nothing was moved",
    errno.ENOSPC: "the disk is full; nothing was lost, free some space and go on",
    errno.EDQUOT: "the quota is used up; nothing was lost, free some space and go on",
    errno.EFBIG: "the file would be larger than this process may write; raise the limit (ulimit -f)",
    errno.EACCES: "permission denied; this user must be allowed to write into it",
    errno.EPERM: "not permitted; this user must be allowed to write into it",
    errno.EXDEV: OTHER_FILE_SYSTEM,
}


class KanbanError(PenstockError):
    """Anything that a board, a bucket or a filter reports."""


@dataclass(eq=False)
class TokenError(KanbanError):
    """A file is no token, or a token cannot be made of these values; nothing was changed."""

    place: str
    reason: str

    def __str__(self) -> str:
        return f"{self.place} is not a token: {self.reason}"


@dataclass(eq=False)
class TokenExistsError(KanbanError):
    """The bucket holds a token of this id already; neither of the two was touched."""

    id: str
    bucket: str

    def __str__(self) -> str:
        return (
            f"{self.bucket} holds a token {self.id!r} already; "
            "an id stands for one piece of work on a board: finish or remove the other first"
        )


@dataclass(eq=False)
class NoSuchTokenError(KanbanError):
    """No bucket of the board has this token."""

    id: str
    board: str

    def __str__(self) -> str:
        return f"no bucket of {self.board} has a token {self.id!r}; `penstock kanban list` shows those there are"


@dataclass(eq=False)
class NoSuchBucketError(KanbanError):
    """The board has no bucket of this name."""

    exit_code = 2

    name: str
    board: str
    there: str

    def __str__(self) -> str:
        return f"the board {self.board} has no bucket {self.name!r}; there are: {self.there}"


@dataclass(eq=False)
class BucketError(KanbanError):
    """The directory does not allow what a bucket needs; the token at hand stayed where it was."""

    bucket: str
    reason: str

    def __str__(self) -> str:
        return f"bucket {self.bucket}: {self.reason}"


@dataclass(eq=False)
class RetryableError(KanbanError):
    """Raise it from a filter when another attempt may do better."""

    reason: str

    def __str__(self) -> str:
        return self.reason


@dataclass(eq=False)
class PermanentError(KanbanError):
    """Raise it from a filter when no further attempt can help: the token goes to `errors/`."""

    reason: str

    def __str__(self) -> str:
        return self.reason


@dataclass(eq=False)
class BoardRunningError(KanbanError):
    """Another orchestrator runs this board; two would start every filter twice."""

    board: str

    def __str__(self) -> str:
        return f"the board {self.board} is run by another process; see `penstock kanban status`"


@dataclass(eq=False)
class BoardNotRunningError(KanbanError):
    """Nobody answers for this board; what needs no running board can still be done."""

    board: str

    def __str__(self) -> str:
        return f"no orchestrator runs the board {self.board}; start it: penstock kanban run"


@dataclass(eq=False)
class CommandRefusedError(KanbanError):
    """The running board did not carry out a command."""

    reason: str

    def __str__(self) -> str:
        return self.reason


class translated:  # noqa: N801 - reads as the function that it would be, could it be entered often
    """Turn what the system says into an error that names the place and the way out.

    Holds nothing but the place: one may be entered any number of times, also within itself.
    """

    __slots__ = ("_place",)

    def __init__(self, place: str) -> None:
        """Name the place."""
        self._place = place

    def __enter__(self) -> None:
        """Nothing to do."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Translate."""
        if isinstance(error, OSError):
            raise in_words(error, self._place) from error


def in_words(error: OSError, place: str) -> BucketError:
    """What the system says, as an error that names the place and the way out."""
    words = _WORDS.get(error.errno or 0) or error.strerror or str(error)
    return BucketError(str(error.filename or place), words)
