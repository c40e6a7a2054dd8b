"""The step type `python`: a function or a script, in a process of its own."""

import sys
from pathlib import Path
from typing import Any

from penstock.steps import _python_child
from penstock.steps._child_program import ProgramExecutor
from penstock.steps._local import StepFailedError
from penstock.workflow import errors, executor


class PythonExecutor(ProgramExecutor):
    """Calls a function, or runs a script, with the interpreter of this process.

    What a function returns is its result; a script finds its arguments in the file
    `PENSTOCK_ARGS` and may write its result to `PENSTOCK_RESULT`, both JSON.
    """

    kind = "python"

    async def perform(self, work: executor.Work) -> Any:
        action = work.action
        if action["image"]:
            message = f"this executor runs no container images, got image {action['image']!r}"
            raise StepFailedError(errors.ErrorClass.CONFIG, message)
        argv = (sys.executable, *self._program(work, self._place.files(work)))
        return await self.run_program(
            work, argv, action["args"], env=action["env"], memory=action["memory"]
        )

    def _program(self, work: executor.Work, folder: Path) -> tuple[str, ...]:
        action = work.action
        if action["entrypoint"]:
            return (_python_child.__file__, action["entrypoint"])
        script = folder / "script.py"
        script.write_text(work.files[action["script"]], encoding="utf-8")
        return (str(script),)
