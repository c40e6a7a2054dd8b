"""What must hold, beside what was measured; every verdict of the page is made here, from its figure."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Verdict:
    """One measured figure and its limit."""

    case: str
    """What was measured."""
    measured: float
    """The figure that decides."""
    limit: float
    """How much it may be."""
    aim: float | None = None
    """How much it should be."""
    least: bool = False
    """The figure may not be lower than the limit; else, not higher."""
    digits: int = 2
    """How many are shown behind the point."""

    @property
    def holds(self) -> bool:
        """Whether the figure keeps to the limit; the figure as measured, not as shown."""
        return self.measured >= self.limit if self.least else self.measured <= self.limit

    def row(self) -> str:
        """A line of `verdicts`."""
        bound = "at least" if self.least else "at most"
        aim = "" if self.aim is None else f"{self.aim:g}"
        word = "holds" if self.holds else "**does not hold**"
        shown = f"{self.measured:.{self.digits}f}"
        return f"| {self.case} | {shown} | {bound} {self.limit:g} | {aim} | {word} |"


def verdicts(found: Sequence[Verdict]) -> list[str]:
    """The verdicts as Markdown."""
    head = ["| what must hold | measured | limit | aim | |", "| --- | ---: | ---: | ---: | --- |"]
    return [*head, *(verdict.row() for verdict in found), ""]
