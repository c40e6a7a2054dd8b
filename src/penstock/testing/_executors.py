"""An executor whose work is a function of the test."""

from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from penstock.base import Clock
from penstock.steps import LocalExecutor, LocalPlace
from penstock.workflow import executor

Doing = Callable[[executor.Work], Awaitable[Any]]


async def nothing(_: executor.Work) -> None:
    """Work that is done at once."""


class FunctionExecutor(LocalExecutor):
    """Does each attempt by calling a coroutine function; raise `StepFailedError` in it to fail.

    Like every executor of this process it answers for jobs that it knows, and knows none after a
    restart.
    """

    def __init__(self, doing: Doing = nothing, *, kind: str = "shell", clock: Clock) -> None:
        """Serve steps of type `kind` by `doing`."""
        super().__init__(LocalPlace(Path("unused"), Path(), clock=clock))
        self.kind = kind
        self._doing = doing
        self.begun: Counter[str] = Counter()
        """How often the work of each idempotency key was begun."""

    async def perform(self, work: executor.Work) -> Any:
        self.begun[work.key] += 1
        return await self._doing(work)

    def _printed(self, work: executor.Work) -> int:
        return 0
