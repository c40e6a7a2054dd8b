"""Runs one query in a process of its own, so that it can be ended at any moment. Run as a script."""

import atexit
import json
import os
import sys
import threading
from pathlib import Path
from typing import Any, NoReturn

import duckdb
import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, TableNotFoundError
from obstore.fsspec import FsspecStore

from penstock.storage import split_options

_CLASSES = (
    (TableNotFoundError, "config"),
    (CommitFailedError, "transient"),
    (OSError, "transient"),
    (duckdb.ConstraintException, "data"),
    (duckdb.ConversionException, "data"),
    (duckdb.ParserException, "config"),
    (duckdb.BinderException, "config"),
    (duckdb.CatalogException, "config"),
    (duckdb.IOException, "transient"),
)


class _Objects(FsspecStore):
    """Objects as files for DuckDB, which has no client of its own without a download."""

    # Named here, not when it is made: patterns are compared by the class, without the scheme.
    protocol = "s3"


class _ObjectsByOldName(FsspecStore):
    """The same under the scheme that Hadoop gives it."""

    protocol = "s3a"


def main() -> int:
    """Run the query in `PENSTOCK_ARGS`; the exit code."""
    order = json.loads(Path(os.environ["PENSTOCK_ARGS"]).read_text(encoding="utf-8"))
    order["storage"] = json.loads(os.environ["PENSTOCK_STORAGE_OPTIONS"])
    try:
        result = _run(order)
    except Exception as error:  # noqa: BLE001 - whatever the query did is reported
        kind = next((word for known, word in _CLASSES if isinstance(error, known)), "user")
        return _failed(kind, f"{type(error).__name__}: {error}")
    text = json.dumps(result, default=str)
    sys.stdout.write(text + "\n")
    _write(Path(os.environ["PENSTOCK_RESULT"]), text)
    return 0


def _run(order: dict[str, Any]) -> dict[str, Any]:
    connection = duckdb.connect()
    config, client = split_options(order["storage"])
    for files in (
        _Objects("s3", config=config, client_options=client),
        _ObjectsByOldName("s3a", config=config, client_options=client),
    ):
        connection.register_filesystem(files)
    for view, table in order["tables"].items():
        opened = DeltaTable(table, storage_options=_options(table, order))
        connection.register(view, opened.to_pyarrow_dataset())
    *first, last = connection.extract_statements(order["text"])
    for statement in first:
        connection.execute(statement, _bound(statement, order["bind"]))
    connection.execute(last, _bound(last, order["bind"]))
    if not order["write"]:
        batches = connection.to_arrow_reader(100_000) or ()
        return {"rows": sum(batch.num_rows for batch in batches)}
    rows = connection.to_arrow_table()
    return _WRITES[order["write"]["mode"]](order, rows)


def _bound(statement: Any, values: dict[str, Any]) -> dict[str, Any]:
    return {name: values[name] for name in statement.named_parameters}


def _options(path: str, order: dict[str, Any]) -> dict[str, str] | None:
    """What deltalake needs to know of a table's store; without the condition S3 needs a lock table."""
    if "://" not in path:
        return None
    return {"aws_conditional_put": "etag", **order["storage"]}


class _Target:
    """The table that the rows go to, which may not be there yet."""

    def __init__(self, order: dict[str, Any]) -> None:
        self._path = order["write"]["table"]
        self._options = _options(self._path, order)
        self._columns = order["write"]["partition_by"] or None

    def table(self) -> DeltaTable | None:
        if not DeltaTable.is_deltatable(self._path, self._options):
            return None
        return DeltaTable(self._path, storage_options=self._options)

    def write(self, rows: pa.Table, **how: Any) -> None:
        write_deltalake(
            self._path, rows, partition_by=self._columns, storage_options=self._options, **how
        )

    def told(self, rows: pa.Table) -> dict[str, Any]:
        version = DeltaTable(self._path, storage_options=self._options).version()
        return {"rows": rows.num_rows, "table": self._path, "version": version}


def _append(order: dict[str, Any], rows: pa.Table) -> dict[str, Any]:
    """Append once: the table itself remembers which work it has. Source: Delta protocol, `txn`."""
    target, key = _Target(order), order["key"]
    if (table := target.table()) is None or table.transaction_version(key) is None:
        once = CommitProperties(app_transactions=[Transaction(key, 1)])
        target.write(rows, mode="append", commit_properties=once)
    return target.told(rows)


def _overwrite(order: dict[str, Any], rows: pa.Table) -> dict[str, Any]:
    """Replace the partitions that the rows belong to, and no others."""
    target, columns = _Target(order), order["write"]["partition_by"]
    if target.table() is None:
        target.write(rows)
    elif rows.num_rows:
        values = rows.group_by(columns).aggregate([]).to_pylist()
        predicate = " OR ".join(
            "(" + " AND ".join(_equal(name, value) for name, value in row.items()) + ")"
            for row in values
        )
        target.write(rows, mode="overwrite", predicate=predicate)
    return target.told(rows)


def _merge(order: dict[str, Any], rows: pa.Table) -> dict[str, Any]:
    """Update rows whose keys are there, insert the others."""
    target = _Target(order)
    if (table := target.table()) is None:
        target.write(rows)
        return target.told(rows)
    same = " AND ".join(f't."{name}" = s."{name}"' for name in order["write"]["keys"])
    merger = table.merge(rows, same, source_alias="s", target_alias="t")
    merger.when_matched_update_all().when_not_matched_insert_all().execute()
    return target.told(rows)


def _equal(name: str, value: Any) -> str:
    if value is None:
        return f'"{name}" IS NULL'
    quoted = "'" + str(value).replace("'", "''") + "'"
    return f'"{name}" = {value if isinstance(value, (int, float)) else quoted}'


_WRITES = {"append": _append, "overwrite-partition": _overwrite, "merge": _merge}


def _failed(kind: str, message: str) -> int:
    sys.stderr.write(message + "\n")
    failure = Path(os.environ["PENSTOCK_RESULT"]).with_name("failure.json")
    _write(failure, json.dumps({"error": kind, "message": message}))
    return 1


def _write(path: Path, text: str) -> None:
    temporary = path.with_suffix(".tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def _end(code: int) -> NoReturn:
    """End as multiprocessing ends its children: Python is taken down, native libraries are not.

    Their threads outlive the interpreter, and now and then abort a process whose work is done.
    """
    threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001 - waits for threads that are no daemons
    atexit._run_exitfuncs()  # noqa: SLF001 - there is no public name
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    _end(main())
