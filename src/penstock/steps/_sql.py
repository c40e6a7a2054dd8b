"""The step type `sql`: a query, its rows into a table."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from penstock.steps._child_program import ProgramExecutor
from penstock.steps._local import LocalPlace, StepFailedError
from penstock.steps._sql_text import parse_query
from penstock.workflow import errors, executor

_CHILD: Final = Path(__file__).with_name("_sql_child.py")


class SqlExecutor(ProgramExecutor):
    """Runs queries with DuckDB, in a process of their own.

    Values are bound. `delta_scan('...')` reads a Delta table; files are read by DuckDB's own
    functions. Rows go into a Delta table: appended once for each run and step, however often the
    step is tried; or in place of their partitions; or merged by their keys. Files and tables may be
    on this machine or on `s3://`.
    """

    kind = "sql"

    def __init__(self, place: LocalPlace, *, storage: Mapping[str, str] | None = None) -> None:
        """Prepare it.

        Args:
            place: For logs and files.
            storage: Variables that only queries see: credentials of object stores, `AWS_...`.
        """
        super().__init__(place)
        self._storage = dict(storage or {})

    async def perform(self, work: executor.Work) -> Any:
        action = work.action
        if action["engine"] != "duckdb":
            message = f"expected engine duckdb, got {action['engine']!r}: there is no other yet"
            raise StepFailedError(errors.ErrorClass.CONFIG, message)
        query = parse_query(action["text"] or work.files[action["file"]])
        missing = [name for name in query.names if name not in action["bind"]]
        if missing:
            message = f"the query has no value for {', '.join(missing)}; give them under bind"
            raise StepFailedError(errors.ErrorClass.CONFIG, message)
        order = {
            "text": query.text,
            "tables": query.tables,
            "bind": action["bind"],
            "write": action["write"],
            "key": work.key,
        }
        # By a variable, not with the order: that is kept on the disk, and these may be secret.
        options = {name: _text(value) for name, value in action["storage_options"].items()}
        env = {**self._storage, "PENSTOCK_STORAGE_OPTIONS": json.dumps(options)}
        return await self.run_program(work, (sys.executable, str(_CHILD)), order, env=env)


def _text(value: object) -> str:
    """YAML reads `aws_allow_http: true` as a boolean, object stores want text."""
    return str(value).lower() if isinstance(value, bool) else str(value)
