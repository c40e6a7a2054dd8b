"""The step type `pipeline`: another run, which outlives whoever waits for it."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from penstock.base import ConfigError
from penstock.workflow import (
    Engine,
    Executor,
    Pipeline,
    engine,
    errors,
    executor,
    record,
    states,
    validation,
)

_OBSERVE_S: Final = 2.0

Find = Callable[[str, str], Awaitable[Pipeline]]
"""Returns the version to run, by tenant and name; raises `LookupError` where there is none."""


class ChildRunExecutor(Executor):
    """Submits a run and waits for its end; its steps have results of their own.

    A further attempt meets the run of the one before it while that is open or has succeeded, and
    begins another where it did not.
    """

    outlives = True

    def __init__(self, runs: Engine, find: Find) -> None:
        self._engine = runs
        self._find = find
        self._refused: dict[str, errors.Failure] = {}

    def handle(self, work: executor.Work) -> executor.JobHandle:
        data = {"tenant": work.tenant, "pipeline": work.action["name"]}
        return executor.JobHandle("pipeline", f"child:{work.key}", data)

    async def submit(self, work: executor.Work, handle: executor.JobHandle) -> None:
        number, latest = await self._latest(handle)
        if latest is not None and (not _over(latest) or latest.state is states.RunState.SUCCEEDED):
            return
        self._refused.pop(handle.name, None)
        try:
            pipeline = await self._find(work.tenant, work.action["name"])
            params = pipeline.bind(work.action["params"])
            key = _key(handle, number + 1)
            await self._engine.submit(
                engine.RunRequest(work.tenant, pipeline, key, params, f"run:{work.run}")
            )
        except (LookupError, ConfigError, validation.NotRunnableError) as error:
            self._refused[handle.name] = errors.Failure(errors.ErrorClass.CONFIG, str(error))

    async def observe(self, handle: executor.JobHandle) -> executor.Observation:
        if handle.name in self._refused:
            failure = self._refused[handle.name]
            return executor.Observation(executor.JobState.FAILED, failure=failure)
        _, latest = await self._latest(handle)
        if latest is None:
            return executor.Observation(executor.JobState.ABSENT)
        with suppress(TimeoutError):
            tenant = handle.data["tenant"]
            latest = await asyncio.wait_for(self._engine.wait(tenant, latest.run), _OBSERVE_S)
        return _seen(latest)

    async def cancel(self, handle: executor.JobHandle) -> None:
        _, latest = await self._latest(handle)
        if latest is not None:
            with suppress(errors.RefusedError):
                reason = "the run that waits for it was stopped"
                await self._engine.cancel(handle.data["tenant"], latest.run, reason=reason)

    async def reattach(self, handle: executor.JobHandle) -> bool:
        _, latest = await self._latest(handle)
        return latest is not None

    async def _latest(self, handle: executor.JobHandle) -> tuple[int, record.RunRecord | None]:
        """The newest run of this name, and its number; 0 where there is none."""
        tenant, pipeline = handle.data["tenant"], handle.data["pipeline"]
        number, latest = 0, None
        while True:
            run = engine.run_id(tenant, pipeline, _key(handle, number + 1))
            try:
                latest = await self._engine.state(tenant, run)
            except LookupError:
                return number, latest
            number += 1


def _key(handle: executor.JobHandle, number: int) -> str:
    return f"{handle.name}#{number}"


def _over(run: record.RunRecord) -> bool:
    return run.state.final and run.compensation is not record.Compensation.RUNNING


def _seen(run: record.RunRecord) -> executor.Observation:
    if not _over(run):
        return executor.Observation(executor.JobState.RUNNING, beats=run.version)
    if run.state is states.RunState.SUCCEEDED:
        return executor.Observation(executor.JobState.SUCCEEDED, {"run": run.run})
    if run.state is states.RunState.CANCELLED:
        return executor.Observation(executor.JobState.STOPPED)
    why = run.failure.message if run.failure else str(run.state)
    failure = errors.Failure(errors.ErrorClass.USER, f"run {run.run} is {run.state}: {why}")
    return executor.Observation(executor.JobState.FAILED, failure=failure)
