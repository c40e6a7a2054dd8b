"""`penstock state ls`, `show`, `fsck` and `repair`: the directory in which a flow keeps its progress."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import to_builtins

from penstock.base import PenstockError
from penstock.cli._exits import DONE
from penstock.cli._output import Output
from penstock.cli._printing import print_json, print_table, printable
from penstock.flow import Checkpoint

_DAMAGED = 5
_VERSIONS = ("number", "at", "settled", "lanes", "bytes", "problem")
_LANES = ("lane", "frontier", "beyond", "intervals")


class NoCheckpointError(PenstockError):
    """The directory holds no version, so there is nothing to show."""

    def __init__(self, directory: Path) -> None:
        super().__init__(
            f"{directory} holds no checkpoint; give the directory in `checkpoint=` of the flow"
        )


def list_versions(*, directory: Path, output: Output) -> int:
    """Print the versions of a state directory, newest first."""
    rows = [_version(version) for version in Checkpoint(directory).versions()]
    if output is Output.JSON:
        print_json(rows)
    else:
        print_table(rows, _VERSIONS, empty=f"{directory} holds no checkpoint")
    return DONE


def show(*, directory: Path, output: Output) -> int:
    """Print the progress that a run would go on from."""
    state = Checkpoint(directory).newest()
    if state is None:
        raise NoCheckpointError(directory)
    if output is Output.JSON:
        print_json(to_builtins(state))
        return DONE
    sys.stdout.write(
        f"flow     {printable(state.flow)}\n"
        f"source   {printable(state.source)}\n"
        f"version  {state.number} of {state.at.isoformat(timespec='seconds')}\n"
        f"settled  {state.settled:,} messages\n\n"
    )
    rows = [
        {
            "lane": name,
            "frontier": str(lane.frontier),
            "beyond": ", ".join(f"{start}..{end}" for start, end in lane.beyond[:4])
            + (", ..." if len(lane.beyond) > 4 else ""),
            "intervals": len(lane.beyond),
        }
        for name, lane in sorted(state.lanes.items())
    ]
    print_table(rows, _LANES, empty="no lane was begun")
    return DONE


def fsck(*, directory: Path, output: Output) -> int:
    """Read every version; exit with 5 where one is damaged, or cannot be read by this program."""
    checkpoint = Checkpoint(directory)
    versions = checkpoint.versions()
    damaged = [version for version in versions if version.state is None]
    good = next((version.number for version in versions if version.state is not None), None)
    left = [str(path) for path in checkpoint.leftovers()]
    if output is Output.JSON:
        found = [{"path": str(version.path), "problem": version.problem} for version in damaged]
        print_json(
            {"versions": len(versions), "newest_good": good, "damaged": found, "leftovers": left}
        )
        return _DAMAGED if damaged else DONE
    for version in damaged:
        sys.stdout.write(f"{printable(version.problem)}\n")
    for path in left:
        sys.stdout.write(f"{path} was never finished, and is not read: harmless\n")
    sys.stdout.write(f"{_count(versions)}, {len(damaged)} damaged; {_verdict(good, damaged)}\n")
    return _DAMAGED if damaged else DONE


def _count(versions: list[Any]) -> str:
    return "1 version" if len(versions) == 1 else f"{len(versions)} versions"


def _verdict(good: int | None, damaged: list[Any]) -> str:
    if good is None:
        return "a run cannot go on" if damaged else "a run begins at the beginning"
    if damaged and damaged[0].number > good:
        return f"a run goes on from version {good}, and delivers again what was settled since"
    return f"a run goes on from version {good}"


def repair(*, directory: Path, dry_run: bool, output: Output) -> int:
    """Set damaged versions aside, so that the last good one is the newest; drop none of them."""
    repairs = Checkpoint(directory).repair(dry_run=dry_run)
    rows: list[Mapping[str, Any]] = [
        {
            "path": str(one.path),
            "action": one.action,
            "becomes": None if one.becomes is None else str(one.becomes),
        }
        for one in repairs
    ]
    if output is Output.JSON:
        print_json({"dry_run": dry_run, "repairs": rows})
        return DONE
    for row in rows:
        becomes = f" -> {Path(row['becomes']).name}" if row["becomes"] else ""
        would = "would " if dry_run else ""
        sys.stdout.write(f"{would}{printable(row['action'])}: {row['path']}{becomes}\n")
    if not rows:
        sys.stdout.write("there is nothing to repair\n")
    return DONE


def _version(version: Any) -> dict[str, Any]:
    state = version.state
    return {
        "number": version.number,
        "at": None if state is None else state.at.isoformat(timespec="seconds"),
        "settled": None if state is None else state.settled,
        "lanes": None if state is None else len(state.lanes),
        "bytes": version.size,
        "problem": version.problem,
    }
