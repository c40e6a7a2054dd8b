"""The step type `python`: a function or a script, in a process of its own."""

import json
import sys
from pathlib import Path
from typing import Any

from penstock.steps import _python_child
from penstock.steps._local import LocalExecutor, StepFailedError
from penstock.workflow import errors, executor


class PythonExecutor(LocalExecutor):
    """Calls a function, or runs a script, with the interpreter of this process.

    The child finds its arguments as JSON in the file `PENSTOCK_ARGS`, may write its result as JSON
    to `PENSTOCK_RESULT`, and leave files in the directory `PENSTOCK_ARTIFACTS`. What a function
    returns is its result.
    """

    kind = "python"

    async def perform(self, work: executor.Work) -> Any:
        action = work.action
        if action["image"]:
            message = f"this executor runs no container images, got image {action['image']!r}"
            raise StepFailedError(errors.ErrorClass.CONFIG, message)
        folder = self._place.files(work)
        arguments, result = folder / "args.json", folder / "result.json"
        arguments.write_text(json.dumps(action["args"]), encoding="utf-8")
        result.unlink(missing_ok=True)
        env = {
            "PENSTOCK_ARGS": str(arguments),
            "PENSTOCK_RESULT": str(result),
            "PENSTOCK_ARTIFACTS": str(folder / "artifacts"),
            "PYTHONPATH": str(self._place.cwd),
            "PYTHONUNBUFFERED": "1",
            **action["env"],
        }
        argv = (sys.executable, *self._program(work, folder))
        try:
            await self.run_logged(work, argv, self._place.environment(work, env), action["memory"])
        except StepFailedError as error:
            raise _as_told(folder, error) from error
        return _read(result)

    def _program(self, work: executor.Work, folder: Path) -> tuple[str, ...]:
        action = work.action
        if action["entrypoint"]:
            return (_python_child.__file__, action["entrypoint"])
        script = folder / "script.py"
        script.write_text(work.files[action["script"]], encoding="utf-8")
        return (str(script),)


def _as_told(folder: Path, error: StepFailedError) -> StepFailedError:
    """What the child itself says of its failure, where it could."""
    path = folder / "failure.json"
    if not path.exists():
        return error
    told = json.loads(path.read_text(encoding="utf-8"))
    path.unlink()
    return StepFailedError(errors.ErrorClass(told["error"]), told["message"])


def _read(path: Path) -> Any:
    if not path.exists():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        message = f"expected JSON in PENSTOCK_RESULT: {error}"
        raise StepFailedError(errors.ErrorClass.USER, message) from error
