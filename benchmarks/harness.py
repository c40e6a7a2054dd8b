"""Whole programs side by side: alternating order, medians, ratios pair by pair."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

_TAIL = 2000
_LAUNCHER = Path(__file__).resolve().with_name("launch.py")


class RunFailedError(Exception):
    """A program that was to be measured failed, so there is nothing to compare."""


@dataclass(frozen=True)
class Cost:
    """What one run of a whole program took, its start and its imports included."""

    wall_s: float
    cpu_s: float
    """User and system time of the process and of the children it waited for."""
    peak_bytes: int
    """Largest resident set of any one of these processes."""


@dataclass(frozen=True)
class Contender:
    """One of the programs that do the same work."""

    name: str
    command: Callable[[Path], Sequence[str | Path]]
    """The command that leaves its output in an empty folder."""
    rows: Callable[[Path], int]
    """Counts the rows in that folder afterwards."""


def measure(command: Sequence[str | Path], log: Path) -> Cost:
    """Run `command` to its end, with its output in `log`.

    Raises:
        RunFailedError: It ended with another code than 0.
    """
    launcher = [sys.executable, "-I", "-S", _LAUNCHER, log, *command]
    done = subprocess.run(
        [str(part) for part in launcher], check=True, stdout=subprocess.PIPE, text=True
    )
    code, wall_s, cpu_s, peak_bytes = done.stdout.split()
    if code != "0":
        shown = " ".join(str(part) for part in command[:4])
        tail = log.read_text(errors="replace")[-_TAIL:]
        raise RunFailedError(f"{shown} ended with {code}:\n{tail}")
    return Cost(float(wall_s), float(cpu_s), int(peak_bytes))


def compare(
    contenders: Sequence[Contender], *, rows: int, rounds: int, folder: Path
) -> dict[str, list[Cost]]:
    """Run all contenders `rounds` times, every other round in reverse order.

    Args:
        contenders: The programs.
        rows: What each must have written; a fast wrong answer is no answer.
        rounds: How often.
        folder: A place for outputs, on the disk that is to be measured.

    Raises:
        RunFailedError: One failed, or wrote another number of rows.
    """
    costs: dict[str, list[Cost]] = {contender.name: [] for contender in contenders}
    for turn in range(rounds):
        for contender in contenders if turn % 2 == 0 else reversed(contenders):
            output = folder / re.sub(r"\W+", "-", contender.name)
            shutil.rmtree(output, ignore_errors=True)
            output.mkdir(parents=True)
            cost = measure(contender.command(output), folder / f"{output.name}.log")
            found = contender.rows(output)
            if found != rows:
                raise RunFailedError(f"{contender.name} wrote {found:,} rows, expected {rows:,}")
            costs[contender.name].append(cost)
            shutil.rmtree(output)
    return costs


def ratio(ours: Sequence[Cost], theirs: Sequence[Cost], of: Callable[[Cost], float]) -> float:
    """Median over the rounds of theirs divided by ours: how many times better we were."""
    return median(of(their) / of(our) for our, their in zip(ours, theirs, strict=True))


def table(costs: Mapping[str, Sequence[Cost]], first: str) -> list[str]:
    """The medians as Markdown, with the ratios against the contender named `first`."""
    lines = [
        f"| program | wall s | CPU s | peak MB | wall / {first} | CPU / {first} |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, runs in costs.items():
        walls = [run.wall_s for run in runs]
        cells = [
            f"{median(walls):.2f} ({min(walls):.2f} to {max(walls):.2f})",
            f"{median(run.cpu_s for run in runs):.2f}",
            f"{median(run.peak_bytes for run in runs) / 1e6:.0f}",
            f"{ratio(costs[first], runs, lambda run: run.wall_s):.2f}",
            f"{ratio(costs[first], runs, lambda run: run.cpu_s):.2f}",
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines
