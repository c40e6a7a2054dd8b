"""What does durable orchestration cost? Our embedded engine beside others, and beside bare SQLite.

Each program of `benchmarks/engines` carries out the same chain of steps that do nothing. The others
are installed into throw-away environments below `.engines`; one that cannot be installed,
or does not end in time, is named with the reason.

Run it: `python -m benchmarks.bench_engine [--rounds 5] [--only dbos ...]`.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.data import FOLDER
from benchmarks.verdicts import Verdict, verdicts

PEERS: Mapping[str, tuple[str, ...]] = {
    "dbos": ("dbos",),
    "luigi": ("luigi",),
    "dagster": ("dagster",),
    "prefect": ("prefect", "fastapi<0.120"),
    "airflow": ("apache-airflow",),
}
"""What is installed for each; Prefect does not start with newer versions of its web framework."""

_HERE = Path(__file__).resolve().parent
_INSTALLED = _HERE.parent / ".engines" / "peers"
_INSTALL_S = 120
_SLOW = {"dagster": 45, "prefect": 60, "airflow": 60, "luigi": 20}
"""Longest time in seconds for those that are measured once, start included."""

_PAIRED_S = 120
_LENGTH, _SHORT = 100, 20
_RUNS, _EACH = 100, 5
_FLOOR = 4 * _LENGTH
"""Transactions of the floor: about as long a log, in about the same time, as of the chain. The first
hundred that a file takes cost a seventh less than all that follow."""


class MissingError(Exception):
    """A peer cannot be measured here, for the reason given."""


@dataclass(frozen=True)
class Figure:
    """What one program printed."""

    step_s: float
    rate: float | None


def python_of(name: str, packages: Sequence[str] = ()) -> Path:
    """The Python of an environment with this peer, or these packages, made where it is missing.

    Raises:
        MissingError: It cannot be installed.
    """
    place = _INSTALLED / name
    python, ready = place / "bin" / "python", place / ".ready"
    if ready.exists():
        return python
    uv = Path(sys.executable).with_name("uv")
    try:
        quiet: list[str | Path] = [uv, "--quiet"]
        _output([*quiet, "venv", "--clear", "--python", sys.executable, place], _INSTALL_S)
        _output(
            [*quiet, "pip", "install", "--python", python, *(packages or PEERS[name])], _INSTALL_S
        )
    except OSError as error:
        raise MissingError(str(error)) from error
    ready.touch()
    return python


def run_program(name: str, python: Path, sizes: Sequence[int], limit_s: int) -> Figure:
    """Measure one program once, in an empty folder.

    Raises:
        MissingError: It failed, or did not end in time.
    """
    with tempfile.TemporaryDirectory(dir=FOLDER, ignore_cleanup_errors=True) as folder:
        command: list[str | Path] = [
            python,
            _HERE / "engines" / f"with_{name}.py",
            folder,
            *map(str, sizes),
        ]
        printed = _output(command, limit_s, _environment(folder))
    found = json.loads(printed.splitlines()[-1])
    return Figure(found["step_s"], found["rate"])


def paired(rounds: int) -> tuple[dict[str, list[Figure]], dict[str, str]]:
    """The floor, ours and DBOS's, one after the other in each round; and why DBOS is missing."""
    ours = Path(sys.executable)
    programs, missing = {"floor": ours, "penstock": ours}, {}
    try:
        programs["dbos"] = python_of("dbos")
    except MissingError as error:
        missing["dbos"] = str(error)
    figures: dict[str, list[Figure]] = {name: [] for name in programs}
    for turn in range(rounds):
        for name in programs if turn % 2 == 0 else reversed(programs):
            sizes = (_FLOOR if name == "floor" else _LENGTH, _RUNS, _EACH)
            figures[name].append(run_program(name, programs[name], sizes, _PAIRED_S))
    return figures, missing


def once(names: Sequence[str]) -> tuple[dict[str, list[Figure]], dict[str, str]]:
    """The other peers, each measured once on a shorter chain; and why some are missing."""
    figures, missing = {}, {}
    for name in names:
        try:
            figures[name] = [run_program(name, python_of(name), [_SHORT], _SLOW[name])]
        except MissingError as error:
            missing[name] = str(error)
    return figures, missing


def alone() -> dict[str, float]:
    """Our figures that are held against a limit and not against a peer."""
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        command: list[str | Path] = [sys.executable, _HERE / "engines" / "with_penstock.py", folder]
        found: dict[str, float] = json.loads(_output(command, _PAIRED_S, _environment(folder)))
    return found


def section(rounds: int, others: Sequence[str] = tuple(_SLOW)) -> list[str]:
    """Lines of Markdown."""
    figures, missing = paired(rounds)
    slow, absent = once(others)
    return [
        *_table({**figures, **slow}),
        "",
        *verdicts([*_against(figures), *_limits(alone())]),
        *(f"{name} was not measured: {why}." for name, why in {**missing, **absent}.items()),
        "",
    ]


def _against(figures: Mapping[str, Sequence[Figure]]) -> list[Verdict]:
    ours, floor = figures["penstock"], figures["floor"]
    shares = [mine.step_s / least.step_s for mine, least in zip(ours, floor, strict=True)]
    found = [Verdict("time per step by one durable transaction", median(shares), 4)]
    if "dbos" in figures:
        pairs = list(zip(ours, figures["dbos"], strict=True))
        steps = median(mine.step_s / theirs.step_s for mine, theirs in pairs)
        rates = median((mine.rate or 0) / (theirs.rate or 1) for mine, theirs in pairs)
        found.append(Verdict("time per step by DBOS", steps, 1))
        found.append(Verdict("steps per second by DBOS", rates, 5, least=True))
    return found


def _limits(found: Mapping[str, float]) -> list[Verdict]:
    return [
        Verdict("accepted to first step started, p99 ms", 1e3 * found["first_step_s"], 100),
        Verdict("restart to work resumed with 10,000 open runs, s", found["resumed_s"], 3),
        Verdict("5,000-way fan-out scheduled, s", found["fan_out_s"], 2),
    ]


def _table(figures: Mapping[str, Sequence[Figure]]) -> list[str]:
    rows = ["| program | ms per step | steps/s, many runs |", "| --- | ---: | ---: |"]
    for name, runs in figures.items():
        spent = [1e3 * run.step_s for run in runs]
        rates = [run.rate for run in runs if run.rate is not None]
        rate = f"{median(rates):,.0f}" if rates else ""
        shown = f"{median(spent):.2f} ({min(spent):.2f} to {max(spent):.2f})"
        rows.append(f"| {name} | {shown} | {rate} |")
    return rows


def _environment(folder: str) -> dict[str, str]:
    """Whatever a peer keeps is kept in the folder, and nobody is told that it ran."""
    return {
        **os.environ,
        "PYTHONPATH": "",
        "AIRFLOW_HOME": folder,
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "DAGSTER_HOME": folder,
        "DO_NOT_TRACK": "1",
        "HOME": folder,
        "PREFECT_HOME": folder,
        "PREFECT_LOGGING_LEVEL": "ERROR",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "50",
    }


def _output(
    command: Sequence[str | Path], limit_s: int, environment: Mapping[str, str] | None = None
) -> str:
    try:
        done = subprocess.run(
            [str(part) for part in command],
            check=True,
            capture_output=True,
            text=True,
            timeout=limit_s,
            env=environment,
        )
    except subprocess.TimeoutExpired as error:
        raise MissingError(f"it did not end within {limit_s} s") from error
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise MissingError(f"it ended with {error.returncode}: {last[:200]}") from error
    return done.stdout


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Durable steps, beside other engines.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="*", choices=list(_SLOW), default=list(_SLOW))
    arguments = parser.parse_args()
    FOLDER.mkdir(exist_ok=True)
    print("\n".join(section(arguments.rounds, arguments.only)))


if __name__ == "__main__":
    main()
