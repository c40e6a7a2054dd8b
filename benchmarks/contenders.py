"""The programs that are compared: Penstock in several ways, its peers, and the floor below all of them."""

import json
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pyarrow.dataset as pd
from deltalake import DeltaTable

from benchmarks.data import DataSet
from benchmarks.handed_over import rows_of
from benchmarks.harness import Contender, RunFailedError
from benchmarks.schema import SCHEMAS, yaml_field

PENSTOCK = Path(sys.executable).with_name("penstock")
COMPILED = "penstock"
STRINGS = "penstock, dictionary: strings"
DUCKDB = "duckdb"
REFERENCE = "penstock, reference decoder"
HANDED_OVER = "penstock without decoding"
GUNZIP = "gunzip alone"
WRITER = "writer alone"

_PEERS = {
    DUCKDB: "duckdb_copy",
    "polars": "polars_scan",
    "pyarrow.json": "pyarrow_json",
    "bare arro3": "bare_arro3",
}

Command = Sequence[str | Path]


def penstock(data: DataSet) -> Contender:
    """The command line as a user calls it."""
    return Contender(
        COMPILED,
        lambda output: [PENSTOCK, "run", "--once", _config(data, output)],
        table_rows,
    )


def strings(data: DataSet) -> Contender:
    """The same with a dictionary for each text, and for nothing else."""
    return Contender(
        STRINGS,
        lambda output: [PENSTOCK, "run", "--once", _config(data, output, dictionary="strings")],
        table_rows,
    )


def reference(data: DataSet) -> Contender:
    """The same pipeline with the decoder in Python, which is the specification and the fallback."""
    return _chosen(REFERENCE, data, "reference")


def handed_over(data: DataSet) -> Contender:
    """The same pipeline with rows that were decoded beforehand."""
    return _chosen(HANDED_OVER, data, "handed-over", rows_of(data))


def peers(data: DataSet) -> list[Contender]:
    """What else turns NDJSON into Parquet."""
    return [
        Contender(name, partial(_program, module, data.name, data.files), parquet_rows)
        for name, module in _PEERS.items()
    ]


def floor(data: DataSet) -> list[Contender]:
    """What no ingestion can do without: decompressing, and writing Parquet."""
    rows = sorted(rows_of(data).glob("*.arrow"))
    return [
        Contender(
            GUNZIP, partial(_program, "gunzip_alone", data.name, data.files), lambda _: data.rows
        ),
        Contender(WRITER, partial(_program, "writer_alone", data.name, rows), parquet_rows),
    ]


def parquet_rows(folder: Path) -> int:
    """Rows in all Parquet files of a folder."""
    return int(pd.dataset(folder, format="parquet").count_rows())


def table_rows(folder: Path) -> int:
    """Rows of the table that Penstock made in a folder.

    Raises:
        RunFailedError: There were dead letters: it read something that its peers were not given.
    """
    letters = sorted((folder / "dlq").glob("*"))
    if letters:
        raise RunFailedError(f"not all that penstock read gave rows: {letters[0]}")
    return int(DeltaTable(folder / "table").to_pyarrow_dataset().count_rows())


def _program(module: str, name: str, files: Sequence[Path], output: Path) -> Command:
    return [sys.executable, "-m", f"benchmarks.peers.{module}", name, output, *files]


def _chosen(name: str, data: DataSet, *decoder: str | Path) -> Contender:
    def command(output: Path) -> Command:
        return [sys.executable, "-m", "benchmarks.ingest", _config(data, output), *decoder]

    return Contender(name, command, table_rows)


def _config(data: DataSet, output: Path, **sink: str) -> Path:
    """A configuration that ingests the data set with two workers."""
    config = output / "config.yaml"
    pipeline = {
        "sources": {"main": {"path": str(data.files[0].parent), "compression": "gzip"}},
        "schema": {"fields": [yaml_field(field) for field in SCHEMAS[data.name]]},
        "sink": {"table_uri": str(output / "table"), "compression": "zstd", **sink},
        "max_concurrent_files": 2,
        "error_handling": {"dlq_path": str(output / "dlq")},
    }
    config.write_text(json.dumps({"pipelines": {"bench": pipeline}}), encoding="utf-8")
    return config
