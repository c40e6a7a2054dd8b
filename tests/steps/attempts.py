"""Single attempts at executors, as an engine would make them."""

import asyncio
import os
from pathlib import Path
from typing import Any

from penstock.steps import LocalPlace
from penstock.workflow import Executor, definition, executor, record


def place(path: Path) -> LocalPlace:
    return LocalPlace(path / "state", path, {"PATH": os.environ["PATH"]})


def work(
    kind: str, number: int = 1, *, files: dict[str, str] | None = None, **action: Any
) -> executor.Work:
    config = definition.ActionConfig.model_validate({kind: action})
    ref = record.AttemptRef("step", number=number)
    part = getattr(config, kind).model_dump(mode="json", by_alias=True)
    return executor.Work("t", "run", ref, "run/step", part, None, files or {})


async def finished(doer: Executor, asked: executor.Work) -> executor.Observation:
    """Submit, and observe until it is over."""
    handle = doer.handle(asked)
    await doer.submit(asked, handle)
    while (seen := await doer.observe(handle)).state is executor.JobState.RUNNING:
        pass
    return seen


def attempt(doer: Executor, asked: executor.Work) -> executor.Observation:
    return asyncio.run(asyncio.wait_for(finished(doer, asked), 60))
