"""Durable records: what is written today must be read, or refused by name, years from now."""

from typing import Self

import msgspec

from penstock.base._errors import PenstockError
from penstock.base._value import Value


class RecordError(PenstockError):
    """A stored record cannot be read: damaged, or written by a newer version. Nothing was changed."""

    exit_code = 5


class Record(Value, forbid_unknown_fields=True):
    """A value that is stored as JSON: unknown keys are refused, never dropped.

    Fields are checked where they are read, not where a record is made. They are stored in the order
    in which they are declared: a record that grew says `kw_only=True`, and its new fields have
    defaults. `msgspec.structs.replace` makes a changed copy.
    """

    def encode(self) -> bytes:
        """One JSON object in UTF-8; equal records give equal bytes."""
        return msgspec.json.encode(self)

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
            return msgspec.json.decode(data, type=cls)
        except ValueError as error:
            raise RecordError(
                f"{place} is not a {cls.__name__} that this version can read: {error}"
            ) from error
