"""Durable records: what is written today must be read, or refused by name, years from now."""

from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from penstock.base._errors import PenstockError


class RecordError(PenstockError):
    """A stored record cannot be read: damaged, or written by a newer version. Nothing was changed."""

    exit_code = 5


class Record(BaseModel):
    """A frozen value that is stored as JSON: unknown keys are refused, never dropped."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def encode(self) -> bytes:
        """One JSON object in UTF-8; equal records give equal bytes."""
        return self.model_dump_json().encode()

    @classmethod
    def decode(cls, data: bytes, *, place: str) -> Self:
        """Read what `encode` wrote.

        Args:
            data: The stored bytes.
            place: Where they were found, for the error.

        Raises:
            RecordError: They are not such a record.
        """
        try:
            return cls.model_validate_json(data)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"])
            raise RecordError(
                f"{place} is not a {cls.__name__} that this version can read: {key}: {first['msg']}"
            ) from error
