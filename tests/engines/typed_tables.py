"""Delta tables with every declared type in them, ingested from JSON lines as a user would."""

import base64
import json
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from penstock import ingest
from penstock.ingest._plan import WriterSettings
from tests.ingest.parquet_matrix import FIELDS, ROWS, SCHEMA

EXPECTED: list[dict[str, Any]] = pa.RecordBatch.from_pylist(ROWS, SCHEMA).to_pylist()
"""The rows of each table, in the order of `id`."""


def write_tables(folder: Path, settings: Mapping[str, WriterSettings]) -> dict[str, Path]:
    """One pipeline and one table of one file for each setting; the tables by their names."""
    pipelines = {}
    for name, how in settings.items():
        source = folder / "in" / name
        source.mkdir(parents=True)
        (source / "rows.ndjson").write_text("".join(map(line, ROWS)), encoding="utf-8")
        encodings = {"dictionary": how.dictionary, "integer_encoding": how.integer_encoding}
        pages = {"compression": how.codec, "row_group_rows": how.row_group_rows}
        pipelines[name] = pipeline(source, folder / name, **encodings, **pages)
    run(folder, pipelines)
    return {name: folder / name for name in settings}


def write_checkpointed(folder: Path) -> Path:
    """A table of one commit per row, so many that the product has made a checkpoint on its way.

    The commits before the checkpoint are taken away: who does not read it lacks rows.
    """
    source, table = folder / "in", folder / "table"
    source.mkdir()
    for number, row in enumerate(ROWS[:52]):
        (source / f"{number:02}.ndjson").write_text(line(row), encoding="utf-8")
    run(folder, {"rows": pipeline(source, table) | {"plan": {"max_files": 1}}})
    log = table / "_delta_log"
    (checkpoint,) = log.glob("*.checkpoint.parquet")
    for commit in log.glob("*.json"):
        if commit.stem <= checkpoint.name.partition(".")[0]:
            commit.unlink()
    return table


def pipeline(source: Path, table: Path, **sink: Any) -> dict[str, Any]:
    return {
        "sources": {"main": {"path": str(source), "settle_secs": 0}},
        "schema": {"fields": FIELDS},
        "sink": {"table_uri": str(table), **sink},
        "error_handling": {"max_failures": 1},
    }


def run(folder: Path, pipelines: Mapping[str, Any]) -> None:
    config = folder / "tables.yaml"
    # JSON is YAML.
    config.write_text(json.dumps({"pipelines": pipelines}), encoding="utf-8")
    ingest.run(config)


def line(row: Mapping[str, Any]) -> str:
    """A row as it comes in."""
    members = {field.name: written(row[field.name], field) for field in SCHEMA}
    return json.dumps(members, ensure_ascii=False) + "\n"


def written(value: Any, field: pa.Field) -> Any:
    """A value as a producer of JSON writes it."""
    kind = field.type
    if value is None:
        return None
    if pa.types.is_list(kind):
        return [written(item, kind.value_field) for item in value]
    if pa.types.is_struct(kind):
        return {member.name: written(value[member.name], member) for member in kind}
    if (field.metadata or {}).get(b"penstock.type") == b"json":
        return json.loads(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value.isoformat() if isinstance(value, (date, datetime)) else value
