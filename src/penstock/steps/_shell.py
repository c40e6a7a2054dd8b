"""The step type `shell`: a command line."""

import json
from typing import Any

from penstock.steps._local import LocalExecutor, StepFailedError
from penstock.workflow import errors, executor


class ShellExecutor(LocalExecutor):
    """Runs a command with `/bin/sh`; values reach it through its environment."""

    kind = "shell"

    async def perform(self, work: executor.Work) -> Any:
        action = work.action
        env = self._place.environment(work, action["env"])
        await self.run_logged(work, ("/bin/sh", "-c", action["command"]), env, None)
        if action["result"] != "json":
            return None
        line = self._place.logs.last_line(work.run, work.ref)
        try:
            return json.loads(line)
        except ValueError as error:
            message = f"expected JSON in the last line of its output, got {line[:200]!r}"
            raise StepFailedError(errors.ErrorClass.USER, message) from error
