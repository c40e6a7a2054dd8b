"""How the work of a step is done: commands, Python code, queries, requests, other runs.

Owns: the executors of the step types, the logs and the files of each attempt.
Promises: what a step prints is on the disk while it runs, and stays when its worker dies; a step's
processes end with it; values reach commands and queries bound, never through their text; a request
goes to no private address that was not allowed.
Does not: decide whether to try again, or keep results.
"""

from penstock.steps._child_run import ChildRunExecutor
from penstock.steps._http import HttpExecutor
from penstock.steps._local import LocalExecutor, LocalPlace, StepFailedError
from penstock.steps._logs import LogChunk, Logs
from penstock.steps._python import PythonExecutor
from penstock.steps._shell import ShellExecutor
from penstock.steps._sql import SqlExecutor
from penstock.steps._sql_text import check_duckdb

__all__ = [
    "ChildRunExecutor",
    "HttpExecutor",
    "LocalExecutor",
    "LocalPlace",
    "LogChunk",
    "Logs",
    "PythonExecutor",
    "ShellExecutor",
    "SqlExecutor",
    "StepFailedError",
    "check_duckdb",
]
