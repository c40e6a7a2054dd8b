"""Where files and plans stand."""

from enum import StrEnum

from penstock.base import Value
from penstock.ingest._plan import Plan
from penstock.ingest._seal import Seal


class FileStatus(StrEnum):
    """Where a source file stands."""

    PENDING = "pending"
    """In no plan that counts; it will be planned."""
    PLANNED = "planned"
    """In a plan that has not been settled."""
    COMMITTED = "committed"
    """Its rows are in the table."""
    DEAD = "dead"
    """It stands in the dead letters."""
    GONE = "gone"
    """It was not there when it was read. Should it appear again, it is pending."""


class Settlement(StrEnum):
    """How a plan ended, as the table says it."""

    OPEN = "open"
    """It has not."""
    COMMITTED = "committed"
    """What was sealed is in the table."""
    VOIDED = "voided"
    """Given up: nothing of it is or will be in the table, and its files are pending again."""


class OpenPlan(Value):
    """A plan that is not acknowledged yet, and how far it has come."""

    plan: Plan
    plan_sha256: str
    previous: int
    """Number of the plan before it in its lane; 0 for the first."""
    seal: Seal | None = None
    settlement: Settlement = Settlement.OPEN

    @property
    def committed(self) -> Seal | None:
        """What of it is in the table; None unless it is committed."""
        return self.seal if self.settlement is Settlement.COMMITTED else None

    @property
    def label(self) -> str:
        """For messages."""
        return f"{self.plan.pipeline}/{self.plan.seq}"
