"""What to run, within which limits, and how it ended."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

from msgspec import field

from penstock.base import PenstockError, Value


class ProcessSpec(Value):
    """A program to run as a child; there is no shell in between."""

    argv: tuple[str, ...]
    """Program and arguments, never empty."""

    env: Mapping[str, str] = field(default_factory=dict)
    """Its whole environment; nothing is inherited."""

    cwd: Path | None = None
    """Where it starts; by default where we are."""

    log_file: Path | None = None
    """Takes standard output and standard error, appended; by default they are thrown away.

    A file and never a pipe: a grandchild that keeps a pipe open would keep us waiting.
    """

    timeout: timedelta | None = None
    """Longest time it may run."""

    memory_bytes: int | None = None
    """Most resident memory of it and all its descendants; looked at every `look_every`."""

    look_every: timedelta = timedelta(milliseconds=250)
    """How often its tree and its limits are looked at; its end is noticed at once."""

    grace: timedelta = timedelta(seconds=5)
    """Time between SIGTERM and SIGKILL."""


class ExitKind(StrEnum):
    """Why a process ended."""

    EXITED = "exited"
    SIGNALLED = "ended by a signal"
    TIMEOUT = "ran into its time limit"
    MEMORY = "ran into its memory limit"
    STOPPED = "stopped by us"


class ExitStatus(Value):
    """How a process ended."""

    kind: ExitKind
    code: int
    """As the shell has it: the exit code, or 128 + the signal."""

    @property
    def ok(self) -> bool:
        """Whether it came to its own end with code 0."""
        return self.kind is ExitKind.EXITED and self.code == 0

    def __str__(self) -> str:
        return f"{self.kind} (code {self.code})"


@dataclass(eq=False)
class ProcessStartError(PenstockError):
    """The program could not be started; nothing is left behind."""

    program: str
    reason: str

    def __str__(self) -> str:
        return f"cannot start {self.program!r}: {self.reason}"


@dataclass(eq=False)
class ProcessFailedError(PenstockError):
    """The program ended otherwise than with code 0, in every attempt that it had."""

    program: str
    status: ExitStatus
    log_file: Path | None

    def __str__(self) -> str:
        look = f"; its output is in {self.log_file}" if self.log_file else ""
        return f"{self.program!r} {self.status}{look}"
