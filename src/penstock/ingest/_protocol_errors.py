"""What can go wrong between a plan and its commit."""

from dataclasses import dataclass

from penstock.base import PenstockError


@dataclass(eq=False)
class DamagedStateError(PenstockError):
    """Table and ledger contradict each other. Nothing was changed; a person must decide (exit 5)."""

    exit_code = 5

    place: str
    found: str
    way_out: str

    def __str__(self) -> str:
        return f"{self.place}: {self.found}; {self.way_out}"


@dataclass(eq=False)
class AccountingError(PenstockError):
    """A producer's figures do not add up, so its outcome was not sealed: a fault of the program."""

    plan: str
    problems: tuple[str, ...]

    def __str__(self) -> str:
        return f"the outcome of plan {self.plan} does not add up: {'; '.join(self.problems)}"


@dataclass(eq=False)
class CommitBlockedError(PenstockError):
    """A plan could not be committed for now; the table holds all or nothing of it. Try again later."""

    plan: str
    attempts: int
    last: str

    def __str__(self) -> str:
        return f"plan {self.plan} was not committed in {self.attempts} attempts: {self.last}"
