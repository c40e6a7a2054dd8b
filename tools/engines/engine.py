"""What every server of `make engines` is: a program to be had, and a way to run it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tools.engines.supply import Supply

Program = Sequence[Path]
"""The files that a server's command begins with; the first is run, the others are for it."""


@dataclass(frozen=True)
class Running:
    """A server that answers."""

    environment: Mapping[str, str]
    """What its tests read to find it."""

    about: str
    """Name, version and address, for the list at the end."""


class Engine(Protocol):
    """One server: how to get it, and how to run it."""

    @property
    def name(self) -> str:
        """The word in `@pytest.mark.engine(name)`."""
        ...

    def obtain(self, supply: Supply) -> Program:
        """Return the program, from the cache where it is there.

        Raises:
            NotToBeHadError: This machine cannot have it.
        """
        ...

    @contextmanager
    def run(self, program: Program, directory: Path) -> Iterator[Running]:
        """Keep it up on loopback, with all its files below `directory`, while the body runs.

        Raises:
            NotStartedError: It does not come up.
        """
        ...
