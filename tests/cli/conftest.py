"""Calling commands as a shell would, in this process."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from penstock.cli import application


@dataclass(frozen=True)
class Ended:
    """What a command left."""

    code: int
    out: str
    err: str


Penstock = Callable[..., Ended]


@pytest.fixture
def penstock(capsys: pytest.CaptureFixture[str]) -> Penstock:
    """Run `penstock` with the arguments, in this process."""

    def run(*arguments: object) -> Ended:
        with pytest.raises(SystemExit) as caught:
            application([str(argument) for argument in arguments], prog_name="penstock")
        out, err = capsys.readouterr()
        return Ended(int(caught.value.code or 0), out, err)

    return run
