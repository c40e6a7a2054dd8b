"""What the executors share that run a Python program of ours: arguments in, result and failure out."""

import asyncio
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from penstock.steps._local import LocalExecutor, StepFailedError
from penstock.workflow import errors, executor


class ProgramExecutor(LocalExecutor):
    """Runs a program that finds its arguments as JSON and may leave a result as JSON.

    The program reads the file `PENSTOCK_ARGS`, writes `PENSTOCK_RESULT`, and may leave files in the
    directory `PENSTOCK_ARTIFACTS`.
    """

    async def run_program(
        self,
        work: executor.Work,
        argv: tuple[str, ...],
        arguments: Any,
        *,
        env: Mapping[str, Any],
        memory: int | None = None,
    ) -> Any:
        """Run it and return its result; None where it left none.

        Raises:
            StepFailedError: It failed, in its own words where it left any.
        """
        folder = self._place.files(work)
        asked, result = folder / "args.json", folder / "result.json"
        asked.write_text(json.dumps(arguments), encoding="utf-8")
        result.unlink(missing_ok=True)
        variables = {
            "PENSTOCK_ARGS": str(asked),
            "PENSTOCK_RESULT": str(result),
            "PENSTOCK_ARTIFACTS": str(folder / "artifacts"),
            "PYTHONPATH": str(self._place.cwd),
            "PYTHONUNBUFFERED": "1",
            **env,
        }
        try:
            await self.run_logged(work, argv, self._place.environment(work, variables), memory)
        except StepFailedError as error:
            raise _as_told(folder, error) from error
        return _read(result)

    async def artifacts(self, work: executor.Work) -> tuple[executor.Artifact, ...]:
        folder = self._place.files(work) / "artifacts"
        return await asyncio.to_thread(lambda: tuple(_catalogued(folder, self._place.directory)))


def _catalogued(folder: Path, state: Path) -> Iterator[executor.Artifact]:
    """The files below a directory, each brought to the disk; what is a link leads elsewhere."""
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not path.is_file():
            continue
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            os.fsync(file.fileno())
            size = file.tell()
        place = path.relative_to(state).as_posix()
        yield executor.Artifact(path.relative_to(folder).as_posix(), size, digest, place)


def _as_told(folder: Path, error: StepFailedError) -> StepFailedError:
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
