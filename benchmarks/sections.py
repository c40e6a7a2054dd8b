"""The sections of the page: what is compared, and how it is told."""

import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import contenders as programs
from benchmarks.data import FOLDER, DataSet, data_set, four_times
from benchmarks.harness import Cost, compare, measure, table

SLICE = 0.02
"""Share of a data set that the reference decoder is given: it reads about 1 MB a second."""

_MEMORY_ROUNDS = 3
_START_UPS: Mapping[str, programs.Command] = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "import penstock": [sys.executable, "-c", "import penstock"],
    "import penstock.ingest": [sys.executable, "-c", "import penstock.ingest"],
    "penstock --help": [programs.PENSTOCK, "--help"],
}


def standing(data: DataSet, rounds: int) -> list[str]:
    """Penstock beside its peers."""
    contenders = [programs.penstock(data), *programs.peers(data)]
    with _folder() as folder:
        costs = compare(contenders, rows=data.rows, rounds=rounds, folder=folder)
    return [
        f"### {data.name}: {data.describe()}",
        "",
        *table(costs, programs.COMPILED),
        "",
        _rates(programs.COMPILED, costs[programs.COMPILED], data),
        "",
    ]


def reference(name: str, scale: float, rounds: int) -> list[str]:
    """The two decoders, on the same small slice."""
    data = data_set(name, scale * SLICE)
    contenders = [programs.penstock(data), programs.reference(data)]
    with _folder() as folder:
        costs = compare(contenders, rows=data.rows, rounds=rounds, folder=folder)
    return [f"### {name}: {data.describe()}", "", *table(costs, programs.COMPILED), ""]


def without_decoding(data: DataSet, rounds: int) -> list[str]:
    """All but the decoding, against the sum of what no ingestion can do without."""
    contenders = [programs.handed_over(data), *programs.floor(data)]
    with _folder() as folder:
        costs = compare(contenders, rows=data.rows, rounds=rounds, folder=folder)
    ours, *others = costs.values()
    ratios = [
        our.cpu_s / sum(other.cpu_s for other in rivals)
        for our, *rivals in zip(ours, *others, strict=True)
    ]
    return [
        f"### {data.name}",
        "",
        *table(costs, programs.HANDED_OVER),
        "",
        f"CPU-seconds against the sum of {programs.GUNZIP} and {programs.WRITER}: **{median(ratios):.2f}**",
        f"({min(ratios):.2f} to {max(ratios):.2f}); expected at most 1.20, aim 1.08.",
        "",
    ]


def memory(data: DataSet, rounds: int) -> list[str]:
    """Peak memory with two workers, and on four times the input in two shapes."""
    rows = ["| input | peak MB | against the first |", "| --- | ---: | ---: |"]
    first = 0.0
    for title, larger in (
        ("once", None),
        ("4 times the files", False),
        ("files 4 times as large", True),
    ):
        with _folder() as place:
            source = place / "source"
            source.mkdir()
            shown = data if larger is None else four_times(data, source, larger=larger)
            peak = _peak(shown, min(rounds, _MEMORY_ROUNDS), place)
        first = first or peak
        rows.append(f"| {data.name}, {title} | {peak / 1e6:.0f} | {peak / first:.2f} |")
    return [*rows, ""]


def start_up(rounds: int) -> list[str]:
    """How long it takes until anything can happen; the first run of each only warms the caches."""
    rows = ["| command | wall s | CPU s | peak MB |", "| --- | ---: | ---: | ---: |"]
    with _folder() as folder:
        for name, command in _START_UPS.items():
            runs = [measure(command, folder / "log") for _ in range(2 * rounds + 1)][1:]
            peak = median(run.peak_bytes for run in runs) / 1e6
            wall, cpu = median(run.wall_s for run in runs), median(run.cpu_s for run in runs)
            rows.append(f"| `{name}` | {wall:.3f} | {cpu:.3f} | {peak:.0f} |")
    return [*rows, ""]


def flow(rounds: int, messages: int) -> list[str]:
    """What a stage costs; measured by a program of its own."""
    with _folder() as folder:
        result = folder / "flow.json"
        size = ["--pairs", str(rounds), "--messages", str(messages)]
        program = [sys.executable, "-m", "benchmarks.bench_flow"]
        measure([*program, *size, "--json", result], folder / "log")
        figures: list[dict[str, Any]] = json.loads(result.read_text(encoding="utf-8"))
    rows = [
        f"| {figure['case']} | {figure['ours_us']:.2f} | {figure['peer_us']:.2f} "
        f"| {figure['ratio']:.2f} | {figure['must']} | {figure['aim']} |"
        for figure in figures
    ]
    head = ["| case | Penstock us | peer us | ratio | at most | aim |"]
    return [*head, "| --- | ---: | ---: | ---: | ---: | ---: |", *rows, ""]


def _peak(data: DataSet, rounds: int, folder: Path) -> float:
    costs = compare([programs.penstock(data)], rows=data.rows, rounds=rounds, folder=folder)
    return median(cost.peak_bytes for cost in costs[programs.COMPILED])


def _rates(name: str, runs: Sequence[Cost], data: DataSet) -> str:
    size = data.plain_bytes
    wall, cpu = median(run.wall_s for run in runs), median(run.cpu_s for run in runs)
    return f"{name}: {size / 1e6 / wall:.0f} MB/s, {cpu / size * 1e9:.1f} CPU-s/GB of NDJSON."


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        yield Path(folder)
