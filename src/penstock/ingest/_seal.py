"""The seal: the outcome of a plan, decided by the first who writes it."""

from enum import StrEnum

from penstock.base import Record


class FileState(StrEnum):
    """What became of one planned file."""

    ROWS = "rows"
    """Read to its last byte; its good lines are in the parts, its bad lines in the dead letters."""
    DEAD = "dead"
    """It gave no row and stands in the dead letters."""
    GONE = "gone"
    """It was no longer there when it was read; pending again should it reappear."""
    CHANGED = "changed"
    """It was no longer the version that was planned; pending again, as it is now, after the commit."""
    RETURNED = "returned"
    """Not read for a reason that is not its own; pending again once the plan is committed."""


class FileOutcome(Record):
    """The end of one planned file."""

    state: FileState
    """What became of it."""

    rows: int = 0
    """Rows in the parts."""

    dead_lines: int = 0
    """Lines in the dead letters."""

    unknown_fields: int = 0
    """Keys in its rows that the schema does not have; they are in no column."""

    error: str = ""
    """The stable class of what went wrong, where the state is not `rows`."""


class Part(Record):
    """One Parquet file that belongs to the table."""

    name: str
    """Path below the table's root: `part-<pipeline>-<seq>-<n>-<content hash>.parquet`."""

    size: int
    """Bytes."""

    sha256: str
    """Of its content, in hexadecimal."""

    rows: int
    """Never 0."""

    stats: str
    """Statistics as the Delta protocol's JSON: `numRecords`, `minValues`, `maxValues`, `nullCount`."""


class DeadLetterFile(Record):
    """The dead letters of one plan, as NDJSON compressed with zstd."""

    name: str
    """Path below the dead-letter root."""

    size: int
    """Bytes."""

    sha256: str
    """Of its content, in hexadecimal."""

    letters: int
    """Lines and files in it."""


class Seal(Record, kw_only=True):
    """What a plan came to."""

    format: int = 1
    """Version of this record."""

    pipeline: str
    """The pipeline's key."""

    seq: int
    """The plan's."""

    plan_sha256: str
    """Of the plan's bytes."""

    parts: tuple[Part, ...]
    """To be added to the table in one commit."""

    dead_letters: DeadLetterFile | None
    """None where there are none."""

    outcomes: tuple[FileOutcome, ...]
    """One for each file of the plan, in its order."""
