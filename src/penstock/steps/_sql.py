"""The step type `sql`: a query, its rows into a table."""

import sys
from pathlib import Path
from typing import Any, Final

from penstock.steps._child_program import ProgramExecutor
from penstock.steps._local import StepFailedError
from penstock.steps._sql_text import parse_query
from penstock.workflow import errors, executor

_CHILD: Final = Path(__file__).with_name("_sql_child.py")


class SqlExecutor(ProgramExecutor):
    """Runs queries with DuckDB, in a process of their own.

    Values are bound. `delta_scan('...')` reads a Delta table; files are read by DuckDB's own
    functions. Rows go into a Delta table: appended once for each run and step, however often the
    step is tried; or in place of their partitions; or merged by their keys.
    """

    kind = "sql"

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
        return await self.run_program(work, (sys.executable, str(_CHILD)), order, env={})
