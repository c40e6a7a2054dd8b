"""Where a flow keeps its progress, and how often: what users write, and commands look at."""

from pathlib import Path

from penstock.base import Failpoints, Value, parse_duration
from penstock.files import sync_directory
from penstock.flow._checkpoint_files import (
    TEMPORARY,
    CheckpointVersion,
    locked,
    names_in,
    read_versions,
)
from penstock.flow._errors import DamagedCheckpointError, FlowError
from penstock.flow._state import CheckpointState

_BEGIN_ANEW = "restore one, or remove the directory to begin anew, which delivers everything again"


class Repair(Value):
    """One thing that a repair does."""

    path: Path
    action: str
    becomes: Path | None
    """Its new name; None where it is removed."""


class Checkpoint:
    """A directory in which a flow keeps its progress, and how often.

    Each version is a file of its own, written beside the others and renamed when it is on disk. The
    version before the newest stays, and is taken where the newest is damaged; damaged files are
    never removed. One run at a time has the directory.
    """

    def __init__(
        self,
        directory: str | Path,
        *,
        every: object = "5s",
        acks: int = 10_000,
        failpoints: Failpoints | None = None,
    ) -> None:
        """Name a directory.

        Args:
            directory: Made if it is not there; for one flow alone.
            every: Longest time between two checkpoints, if anything was settled.
            acks: Most settled messages between two. The source is held back at twice as many: a crash
                repeats at most these, and those in flight.
            failpoints: For tests of crashes.
        """
        if acks < 1:
            raise FlowError(f"expected acks >= 1, got {acks}")
        self.directory = Path(directory)
        self.every = parse_duration(every).total_seconds()
        self.acks = acks
        self.failpoints = failpoints or Failpoints()

    def __str__(self) -> str:
        return f"{self.directory}, every {self.every:g}s or {self.acks:,} acks"

    def versions(self) -> list[CheckpointVersion]:
        """All versions there are, newest first, each read and checked; may be called beside a run.

        Raises:
            CheckpointError: There is no such directory.
        """
        return read_versions(self.directory)

    def newest(self) -> CheckpointState | None:
        """The state that a run would go on from: the newest good one. None where there is no version.

        Raises:
            CheckpointError: None can be read, or one was written by a newer version of Penstock.
        """
        versions = self.versions()
        for version in versions:
            if version.state is not None:
                return version.state
            if version.newer:
                raise DamagedCheckpointError(
                    str(self.directory), version.problem, "nothing in it was changed"
                )
        if versions:
            said = "; ".join(version.problem for version in versions)
            raise DamagedCheckpointError(
                str(self.directory), f"no version can be read ({said})", _BEGIN_ANEW
            )
        return None

    def repair(self, *, dry_run: bool = False) -> list[Repair]:
        """Set damaged versions aside under another name, so that the last good one is the newest.

        Returns:
            What was done, or would be.

        Raises:
            CheckpointError: A run has the directory, or no version can be read.
        """
        names_in(self.directory)
        with locked(self.directory):
            self.newest()
            repairs = self._repairs()
            if not dry_run:
                for repair in repairs:
                    if repair.becomes is None:
                        repair.path.unlink()
                    else:
                        repair.path.rename(repair.becomes)
                sync_directory(self.directory)
        return repairs

    def leftovers(self) -> list[Path]:
        """What a run that died in the middle of writing has left: never read, and harmless."""
        return [self.directory / name for name in names_in(self.directory) if name == TEMPORARY]

    def _repairs(self) -> list[Repair]:
        unfinished = [
            Repair(path, "remove: a run died while it wrote it", None) for path in self.leftovers()
        ]
        damaged = [
            Repair(version.path, f"set aside: {version.problem}", _aside(version.path))
            for version in self.versions()
            if version.state is None and not version.newer
        ]
        return unfinished + damaged


def _aside(path: Path) -> Path:
    """A free name beside it that no run reads."""
    aside = path.with_name(f"{path.name}.damaged")
    number = 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.name}.damaged-{number}")
    return aside


def checkpoint_of(given: "Checkpoint | str | Path | None") -> Checkpoint | None:
    """The checkpoint that stands for what a user gave: nothing, a directory, or one with its options.

    Raises:
        FlowError: It is none of these.
    """
    if given is None or isinstance(given, Checkpoint):
        return given
    if isinstance(given, (str, Path)):
        return Checkpoint(given)
    raise FlowError(f"expected checkpoint to be a directory or a Checkpoint, got {given!r}")
