"""One named piece of work, run to an outcome."""

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any

from penstock.base import PenstockError, Value
from penstock.topology._outcomes import (
    CancelReason,
    TaskError,
    TaskOutcome,
    TaskOutput,
    exit_reason_of,
)
from penstock.topology._supervision import final


class Task(Value):
    """A coroutine with a name; run it once."""

    key: str
    """Unique within its run."""

    typetag: str
    """What kind of work it is, `ingest` for one; it leads in the names of tasks and in logs."""

    coroutine: Coroutine[Any, Any, str]
    """Returns one line for people: what was done."""

    @property
    def name(self) -> str:
        """What the task is called in debuggers and logs."""
        return f"{self.typetag}/{self.key}"

    async def outcome(self) -> TaskOutcome:
        """Run to the end, whatever it is; only a cancellation from outside goes through."""
        try:
            return TaskOutput(await self.coroutine)
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if current is not None and current.cancelling():
                raise
            return TaskError.Cancelled(CancelReason.INSIDE)
        except Exception as error:  # noqa: BLE001 - the boundary: a pipeline may raise anything
            return _settle(error)


def _settle(error: Exception) -> TaskOutcome:
    """What `error` means; of a group, what is gravest in it."""
    leaves = list(_leaves(error))
    ours = [leaf for leaf in leaves if isinstance(leaf, PenstockError)]
    final_ones = [leaf for leaf in ours if final(leaf)]
    if final_ones:
        return TaskError.Failed(max(final_ones, key=_gravity))
    if len(ours) == len(leaves):
        return TaskError.Failed(ours[0])
    return TaskError.Panicked(leaves[0] if len(leaves) == 1 else error)


def _leaves(error: Exception) -> Iterator[Exception]:
    if isinstance(error, ExceptionGroup):
        for part in error.exceptions:
            yield from _leaves(part)
    else:
        yield error


def _gravity(error: PenstockError) -> int:
    return exit_reason_of(TaskError.Failed(error)).value
