"""How the work of a step is done: commands and Python code in processes of their own.

Owns: the executors of the step types, the logs and the files of each attempt.
Promises: what a step prints is on the disk while it runs, and stays when its worker dies; a step's
processes end with it; values reach commands through their environment, never through their text.
Does not: decide whether to try again, or keep results.
"""

from penstock.steps._local import LocalExecutor, LocalPlace, StepFailedError
from penstock.steps._logs import LogChunk, Logs
from penstock.steps._python import PythonExecutor
from penstock.steps._shell import ShellExecutor

__all__ = [
    "LocalExecutor",
    "LocalPlace",
    "LogChunk",
    "Logs",
    "PythonExecutor",
    "ShellExecutor",
    "StepFailedError",
]
