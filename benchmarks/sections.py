"""The sections of the page: what is compared, and how it is told."""

import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import contenders as programs
from benchmarks.data import FOLDER, DataSet, data_set, four_times
from benchmarks.flow_figures import Figure
from benchmarks.harness import Cost, compare, measure, ratio, table
from benchmarks.verdicts import Verdict, verdicts

SLICE = 0.01
"""Share of a data set that the reference decoder is given: it reads about 1 MB a second."""

_MEMORY_ROUNDS = 3
_PAIRS_A_ROUND = 4
_MOST_MB = 350
_AGAINST_DUCKDB = {"flat": (0.55, 0.40), "nested": (0.65, 0.45)}
_UNITS: Mapping[str, Callable[[Cost], float]] = {
    "CPU": lambda cost: cost.cpu_s,
    "wall": lambda cost: cost.wall_s,
}
_REFERENCE_ROUNDS = 3
_QUICK = {"import penstock", "penstock --help"}
_START_UPS: Mapping[str, programs.Command] = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "import penstock": [sys.executable, "-c", "import penstock"],
    "import penstock.ingest": [sys.executable, "-c", "import penstock.ingest"],
    "penstock --help": [programs.PENSTOCK, "--help"],
}


def standing(data: DataSet, rounds: int) -> list[str]:
    """Penstock beside its peers."""
    contenders = [programs.penstock(data), programs.strings(data), *programs.peers(data)]
    with _folder() as folder:
        costs = compare(contenders, rows=data.rows, rounds=rounds, folder=folder)
    return [
        f"### {data.name}: {data.describe()}",
        "",
        *table(costs, programs.COMPILED),
        "",
        *(_rates(name, costs[name], data) for name in (programs.COMPILED, programs.STRINGS)),
        "",
        *verdicts(against_peers(data.name, costs)),
        *other_setting(costs),
        *faster_peers(costs),
        "",
    ]


def against_peers(name: str, costs: Mapping[str, Sequence[Cost]]) -> list[Verdict]:
    """Our default setting by each of the others; DuckDB first, with a limit of its own."""
    found = []
    for peer in sorted(_rivals(costs), key=lambda peer: peer != programs.DUCKDB):
        limit, aim = _AGAINST_DUCKDB[name] if peer == programs.DUCKDB else (1, None)
        for unit, of in _UNITS.items():
            share = ratio(costs[peer], costs[programs.COMPILED], of)
            found.append(Verdict(f"{programs.COMPILED} by {peer}, {unit}", share, limit, aim))
    return found


def _rivals(costs: Mapping[str, Sequence[Cost]]) -> list[str]:
    return [name for name in costs if name not in {programs.COMPILED, programs.STRINGS}]


def other_setting(costs: Mapping[str, Sequence[Cost]]) -> list[str]:
    """A sentence about the setting that is not the default, of which nothing is asked."""
    duckdb, strings = costs[programs.DUCKDB], costs[programs.STRINGS]
    shares = [f"{unit} {ratio(duckdb, strings, of):.2f}" for unit, of in _UNITS.items()]
    return [
        f"{programs.STRINGS}, by {programs.DUCKDB}: {', '.join(shares)}; what must hold is asked of the default.",
        "",
    ]


def faster_peers(costs: Mapping[str, Sequence[Cost]]) -> list[str]:
    """A sentence that names every peer that needed less than our default setting, of anything."""
    ours = costs[programs.COMPILED]
    units = {**_UNITS, "memory": lambda cost: float(cost.peak_bytes)}
    faster = [
        f"{peer} needed less {unit} ({ratio(ours, costs[peer], of):.2f} of ours)"
        for peer in _rivals(costs)
        for unit, of in units.items()
        if ratio(ours, costs[peer], of) < 1
    ]
    return [f"{'; '.join(faster) or 'No peer needed less of anything'}."]


def reference(name: str, scale: float, rounds: int) -> list[str]:
    """The two decoders, on the same small slice."""
    data = data_set(name, scale * SLICE)
    contenders = [programs.penstock(data), programs.reference(data)]
    rounds = min(rounds, _REFERENCE_ROUNDS)
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
    case = f"CPU-seconds by the sum of {programs.GUNZIP} and {programs.WRITER}"
    return [
        f"### {data.name}",
        "",
        *table(costs, programs.HANDED_OVER),
        "",
        *verdicts([Verdict(case, median(ratios), 1.20, 1.08)]),
    ]


def memory(data: DataSet, rounds: int) -> list[str]:
    """Peak memory with two workers, and on four times the input in two shapes."""
    with _folder() as place:
        first = _peak(data, min(rounds, _MEMORY_ROUNDS), place)
    found = [Verdict(f"{data.name}: peak MB", first / 1e6, _MOST_MB, 250, digits=0)]
    for title, larger in (("4 times the files", False), ("files 4 times as large", True)):
        with _folder() as place:
            source = place / "source"
            source.mkdir()
            peak = _peak(four_times(data, source, larger=larger), 1, place)
        case = f"{data.name}: peak with {title} ({peak / 1e6:.0f} MB) by the first"
        found.append(Verdict(case, peak / first, 1.1))
    return verdicts(found)


def start_up(rounds: int) -> list[str]:
    """How long it takes until anything can happen; the first run of each only warms the caches."""
    rows = ["| command | wall s | CPU s | peak MB |", "| --- | ---: | ---: | ---: |"]
    found = []
    with _folder() as folder:
        for name, command in _START_UPS.items():
            runs = [measure(command, folder / "log") for _ in range(2 * rounds + 1)][1:]
            peak = median(run.peak_bytes for run in runs) / 1e6
            wall, cpu = median(run.wall_s for run in runs), median(run.cpu_s for run in runs)
            rows.append(f"| `{name}` | {wall:.3f} | {cpu:.3f} | {peak:.0f} |")
            if name in _QUICK:
                found.append(Verdict(f"`{name}`, wall s", wall, 0.5))
    return [*rows, "", *verdicts(found)]


def flow(rounds: int, messages: int) -> list[str]:
    """What a stage costs, beside the bare tools and the peers; measured by a program of its own."""
    with _folder() as folder:
        result = folder / "flow.json"
        size = ["--pairs", str(_PAIRS_A_ROUND * rounds), "--messages", str(messages)]
        program = [sys.executable, "-m", "benchmarks.bench_flow"]
        measure([*program, *size, "--json", result], folder / "log")
        found: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
    return flow_lines([Figure(**figure) for figure in found["figures"]], found["missing"])


def flow_lines(figures: Sequence[Figure], missing: Mapping[str, str]) -> list[str]:
    """The figures as Markdown, the peers that were faster, and those that could not be asked."""
    lines = [
        "| case | Penstock us | peer us | ratio, 95 % interval |",
        "| --- | ---: | ---: | --- |",
    ]
    lines += [
        f"| {one.case} | {one.ours_us:.2f} | {one.peer_us:.2f} | {one.ratio:.2f}, {one.low:.2f} to {one.high:.2f} |"
        for one in figures
    ]
    judged = [Verdict(one.case, one.judged, one.must, one.aim, least=one.least) for one in figures]
    faster = [one.case for one in figures if one.peer_us < one.ours_us and not one.least]
    named = [f"{peer}: {reason}." for peer, reason in missing.items()]
    return [
        *[*lines, "", *verdicts(judged)],
        f"The peer needed less: {'; '.join(faster) or 'nowhere'}.",
        *named,
        "",
    ]


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
