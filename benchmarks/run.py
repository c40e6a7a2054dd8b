"""`make bench`: every benchmark in one run; writes benchmarks/README.md."""

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import pyarrow.dataset as pd
from deltalake import DeltaTable

from benchmarks import bench_decode
from benchmarks.data import FOLDER, SETS, DataSet, arrow_files, data_set
from benchmarks.harness import Contender, compare, table
from benchmarks.schema import SCHEMAS, yaml_field

PAGE = Path(__file__).resolve().parent / "README.md"
PENSTOCK = Path(sys.executable).with_name("penstock")

_PEERS = {
    "duckdb": "duckdb_copy",
    "polars": "polars_scan",
    "pyarrow.json": "pyarrow_json",
    "bare arro3": "bare_arro3",
}
_DECODE_SCALE = 0.1  # of the data, as it is held in memory
_ABOUT = """\
# Benchmarks

Written by `make bench`, which runs everything below in one go on the same bytes.
Whole processes with their start and imports, two threads each; the order alternates; each figure is the median of the rounds, each ratio the median of the ratios within a round.
Above 1 in the last two columns means that Penstock needed less.
The peers write Parquet files; Penstock also checks every line strictly, commits to a Delta table, and can be killed at any moment.
"""


def ingest_contenders(data: DataSet) -> list[Contender]:
    """Penstock first, then its peers."""
    peers = [_peer(name, module, data) for name, module in _PEERS.items()]
    return [Contender("penstock", lambda output: _penstock(data, output), _table_rows), *peers]


def _peer(name: str, module: str, data: DataSet) -> Contender:
    def command(output: Path) -> Sequence[str | Path]:
        return [sys.executable, "-m", f"benchmarks.peers.{module}", data.name, output, *data.files]

    return Contender(name, command, parquet_rows)


def floor_contenders(data: DataSet) -> list[Contender]:
    """What no ingestion can do without: decompressing, and writing Parquet."""
    module = "benchmarks.peers"
    gunzip: list[str | Path] = [
        sys.executable,
        "-m",
        f"{module}.gunzip_alone",
        data.name,
        "-",
        *data.files,
    ]
    writer: list[str | Path] = [sys.executable, "-m", f"{module}.writer_alone", data.name]
    arrow = arrow_files(data)
    return [
        Contender("gunzip alone", lambda _: gunzip, lambda _: data.rows),
        Contender("writer alone", lambda output: [*writer, output, *arrow], parquet_rows),
    ]


def parquet_rows(folder: Path) -> int:
    """Rows in all Parquet files of a folder."""
    return int(pd.dataset(folder, format="parquet").count_rows())


def _table_rows(folder: Path) -> int:
    return int(DeltaTable(folder / "table").to_pyarrow_dataset().count_rows())


def _penstock(data: DataSet, output: Path) -> Sequence[str | Path]:
    """The command that ingests the data set, with its configuration."""
    config = output / "config.yaml"
    pipeline = {
        "sources": {"main": {"path": str(data.files[0].parent), "compression": "gzip"}},
        "schema": {"fields": [yaml_field(field) for field in SCHEMAS[data.name]]},
        "sink": {"table_uri": str(output / "table"), "compression": "zstd"},
        "max_concurrent_files": 2,
        "error_handling": {"dlq_path": str(output / "dlq")},
    }
    config.write_text(json.dumps({"pipelines": {"bench": pipeline}}), encoding="utf-8")
    return [PENSTOCK, "run", "--once", config]


def machine_line() -> str:
    """What the figures were measured on."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    versions = ", ".join(f"{name} {version(name)}" for name in ("duckdb", "polars", "pyarrow"))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{datetime.now(UTC):%Y-%m-%d}: {os.cpu_count()} cores of {model}, {memory:.0f} GiB, "
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}, {versions}."
    )


def main() -> None:
    """Run, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the data, above 0")
    parser.add_argument("--page", type=Path, default=PAGE, help="where to write the results")
    arguments = parser.parse_args()
    lines = [_ABOUT, machine_line(), ""]
    FOLDER.mkdir(exist_ok=True)
    for name in SETS:
        data = data_set(name, arguments.scale)
        with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
            contenders = [*ingest_contenders(data), *floor_contenders(data)]
            rounds = arguments.rounds
            costs = compare(contenders, rows=data.rows, rounds=rounds, folder=Path(folder))
        section = [f"## Ingestion, {name}: {data.describe()}", "", *table(costs, "penstock"), ""]
        print("\n".join(section), flush=True)
        lines += section
    lines += bench_decode.section(min(arguments.scale, _DECODE_SCALE), arguments.rounds)
    arguments.page.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
