"""What can go wrong with a table, told apart by what the caller should do."""

from dataclasses import dataclass

from penstock.base import PenstockError


class TableError(PenstockError):
    """Something about a table."""


@dataclass(eq=False)
class TableUnavailableError(TableError):
    """The table can neither be read nor made now; nothing was changed. Back off and try again."""

    url: str
    reason: str

    def __str__(self) -> str:
        return f"table {self.url} cannot be read or made now: {self.reason}"


@dataclass(eq=False)
class TableMissingError(TableError):
    """There is no table, where there was one before."""

    url: str

    def __str__(self) -> str:
        return f"there is no table at {self.url}"


@dataclass(eq=False)
class ConflictError(TableError):
    """The commit was refused because of a newer one; nothing was written. Read the table again."""

    url: str
    reason: str

    def __str__(self) -> str:
        return f"table {self.url} has changed since it was read: {self.reason}"


@dataclass(eq=False)
class CommitUnknownError(TableError):
    """The commit ended without an answer: it may have landed. Read the table before anything else."""

    url: str
    reason: str

    def __str__(self) -> str:
        return f"a commit to {self.url} has an unknown outcome: {self.reason}"


@dataclass(eq=False)
class SchemaError(TableError):
    """The table's columns are not the declared ones; nothing was changed."""

    url: str
    differences: tuple[str, ...]

    def __str__(self) -> str:
        listed = "; ".join(self.differences)
        return f"table {self.url} does not fit the schema: {listed}; change one of the two"
