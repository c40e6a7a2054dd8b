"""What settled plans came to, in numbers."""

from operator import add, sub

from msgspec.structs import astuple

from penstock.base import Value
from penstock.ingest._seal import FileState
from penstock.ingest._standing import OpenPlan


class CycleResult(Value):
    """What was settled; two results add up."""

    plans: int = 0
    """Plans committed."""
    voided: int = 0
    """Plans given up; their files are pending again."""
    files: int = 0
    """Files whose rows were committed."""
    dead_files: int = 0
    """Files that stand in the dead letters as a whole."""
    gone_files: int = 0
    """Files that were not there any more, or not as planned."""
    returned_files: int = 0
    """Files that are pending again for a reason that is not their own."""
    rows: int = 0
    """Rows committed."""
    dead_lines: int = 0
    """Lines that stand in the dead letters."""
    unknown_fields: int = 0
    """Keys in the rows that the schema does not have."""
    parts: int = 0
    """Parquet files committed."""
    bytes: int = 0
    """Their size."""

    @property
    def dead_letters(self) -> int:
        """Lines and files together, which is what `max_failures` counts."""
        return self.dead_files + self.dead_lines

    def __add__(self, other: "CycleResult") -> "CycleResult":
        return CycleResult(*map(add, astuple(self), astuple(other)))

    def __sub__(self, other: "CycleResult") -> "CycleResult":
        return CycleResult(*map(sub, astuple(self), astuple(other)))

    @classmethod
    def of(cls, settled: OpenPlan) -> "CycleResult":
        """The figures of one settled plan."""
        seal = settled.committed
        if seal is None:
            return cls(voided=1, returned_files=len(settled.plan.files))
        states = [outcome.state for outcome in seal.outcomes]
        return cls(
            plans=1,
            files=states.count(FileState.ROWS),
            dead_files=states.count(FileState.DEAD),
            gone_files=states.count(FileState.GONE) + states.count(FileState.CHANGED),
            returned_files=states.count(FileState.RETURNED),
            rows=sum(outcome.rows for outcome in seal.outcomes),
            dead_lines=sum(outcome.dead_lines for outcome in seal.outcomes),
            unknown_fields=sum(outcome.unknown_fields for outcome in seal.outcomes),
            parts=len(seal.parts),
            bytes=sum(part.size for part in seal.parts),
        )
