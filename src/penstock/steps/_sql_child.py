"""Runs one query in a process of its own. This file is run as a script.

It imports nothing of this package, so that it can be ended at any moment and stands in nobody's way.
"""

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

_CLASSES = (
    (duckdb.ConstraintException, "data"),
    (duckdb.ConversionException, "data"),
    (duckdb.ParserException, "config"),
    (duckdb.BinderException, "config"),
    (duckdb.CatalogException, "config"),
    (duckdb.IOException, "transient"),
)


def main() -> int:
    """Run the query in `PENSTOCK_ARGS`; the exit code."""
    order = json.loads(Path(os.environ["PENSTOCK_ARGS"]).read_text(encoding="utf-8"))
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
    for view, table in order["tables"].items():
        connection.register(view, DeltaTable(table).to_pyarrow_dataset())
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


def _append(order: dict[str, Any], rows: pa.Table) -> dict[str, Any]:
    """Append once: the table itself remembers which work it has. Source: Delta protocol, `txn`."""
    path, key = order["write"]["table"], order["key"]
    if _is_table(path) and DeltaTable(path).transaction_version(key) is not None:
        return _told(path, rows)
    write_deltalake(
        path,
        rows,
        mode="append",
        partition_by=order["write"]["partition_by"] or None,
        commit_properties=CommitProperties(app_transactions=[Transaction(key, 1)]),
    )
    return _told(path, rows)


def _overwrite(order: dict[str, Any], rows: pa.Table) -> dict[str, Any]:
    """Replace the partitions that the rows belong to, and no others."""
    path, columns = order["write"]["table"], order["write"]["partition_by"]
    if not _is_table(path):
        write_deltalake(path, rows, partition_by=columns)
    elif rows.num_rows:
        values = rows.group_by(columns).aggregate([]).to_pylist()
        predicate = " OR ".join(
            "(" + " AND ".join(_equal(name, value) for name, value in row.items()) + ")"
            for row in values
        )
        write_deltalake(path, rows, mode="overwrite", predicate=predicate)
    return _told(path, rows)


def _merge(order: dict[str, Any], rows: pa.Table) -> dict[str, Any]:
    """Update rows whose keys are there, insert the others."""
    path = order["write"]["table"]
    if not _is_table(path):
        write_deltalake(path, rows, partition_by=order["write"]["partition_by"] or None)
        return _told(path, rows)
    same = " AND ".join(f't."{name}" = s."{name}"' for name in order["write"]["keys"])
    merger = DeltaTable(path).merge(rows, same, source_alias="s", target_alias="t")
    merger.when_matched_update_all().when_not_matched_insert_all().execute()
    return _told(path, rows)


def _equal(name: str, value: Any) -> str:
    if value is None:
        return f'"{name}" IS NULL'
    quoted = "'" + str(value).replace("'", "''") + "'"
    return f'"{name}" = {value if isinstance(value, (int, float)) else quoted}'


def _is_table(path: str) -> bool:
    return bool(DeltaTable.is_deltatable(path))


def _told(path: str, rows: pa.Table) -> dict[str, Any]:
    return {"rows": rows.num_rows, "table": path, "version": DeltaTable(path).version()}


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
