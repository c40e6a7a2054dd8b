"""What may go wrong between a file's bytes and its rows."""

from dataclasses import dataclass
from enum import StrEnum

from penstock.base import PenstockError


class IngestError(PenstockError):
    """Catch this for any failure of ingestion."""


@dataclass(eq=False)
class UnsupportedTypeError(IngestError):
    """A decoder was given a schema with a type that no JSON value is read into."""

    column: str
    type: str

    def __str__(self) -> str:
        return (
            f"column {self.column!r} has the type {self.type}, which no JSON value is read into; "
            "declare one of the types of `SchemaConfig`"
        )


class FileError(StrEnum):
    """Why a whole file gives no row: the stable word to route on."""

    TRUNCATED = "truncated"
    """Its compressed data ends too early, or something follows its end."""
    CHECKSUM = "checksum"
    """Its checksum or length is not that of its data."""
    DAMAGED = "damaged"
    """Its compressed data makes no sense."""
    NOT_COMPRESSED = "not-compressed"
    """It is not compressed, though its name or the configuration says so."""
    UNREADABLE = "unreadable"
    """It alone cannot be read: tries are spent, while its store answers."""
    BAD_LINE = "bad-line"
    """A line of it was rejected, and `bad_lines` is `file`."""


@dataclass(eq=False)
class CorruptFileError(IngestError):
    """A file's own bytes are at fault; another try cannot help. It gives no row and one dead letter."""

    error: FileError
    detail: str

    def __str__(self) -> str:
        return f"the file is {self.error}: {self.detail}"


class FileGoneError(IngestError):
    """The file is no longer there. Raised by what opens files."""


class FileChangedError(IngestError):
    """The file is no longer the version that was planned. Raised by what opens files, or while reading."""


class FileUnavailableError(IngestError):
    """The file cannot be read now, for a reason that is not its own. Raised by what opens files."""
