"""The port between the protocol and the work: a plan in, finished files out."""

from typing import Protocol

from penstock.base import Value
from penstock.ingest._plan import Plan
from penstock.ingest._seal import DeadLetterFile, FileOutcome, Part, Seal


class Produced(Value):
    """What came of a plan, finished and stored, but not yet decided."""

    parts: tuple[Part, ...]
    """Stored under the table's root, under names that no other content can have."""

    dead_letters: DeadLetterFile | None
    """Stored under the dead-letter root in the same way; None where there are none."""

    outcomes: tuple[FileOutcome, ...]
    """One for each file of the plan, in its order."""


class Producer(Protocol):
    """Does the work of a plan. It may be done several times, by rivals at once; one result counts."""

    def produce(self, plan: Plan) -> Produced:
        """Read the plan's files, write and store what they give.

        Raises:
            StoreUnavailableError: A store failed, not a file; nothing is decided, and the plan is
                produced again later.
        """
        ...


class Acknowledger(Protocol):
    """Told about plans whose rows are in the table for good."""

    def acknowledge(self, plan: Plan, seal: Seal) -> None:
        """Keep, move, delete or tag the source files. May be called again for the same plan."""
        ...
