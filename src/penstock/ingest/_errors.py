"""What may go wrong between a file's bytes and its rows."""

from dataclasses import dataclass

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
