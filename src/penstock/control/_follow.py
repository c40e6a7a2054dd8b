"""Logs as they grow."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Final

from penstock.base import Clock
from penstock.control._runs import Runs, StepNotFoundError
from penstock.steps import LogChunk, Logs
from penstock.workflow import RunRecord, record

_LOOK_S: Final = 0.1


async def follow_logs(
    runs: Runs, logs: Logs, tenant: str, run: str, *, step: str, offset: int, clock: Clock
) -> AsyncIterator[tuple[record.AttemptRef, LogChunk]]:
    """Give what attempts print, until nothing more can come.

    Whoever carries the run out may be another process, may die, and may be replaced meanwhile.

    Args:
        runs: Where the run is looked at.
        logs: Where its logs are.
        tenant: Whose run it is.
        run: Its whole id.
        step: Only this step, until it has ended; empty for all, until the run has.
        offset: First byte of each log.
        clock: For pauses.

    Raises:
        RunNotFoundError: There is no such run.
        StepNotFoundError: It has no such step.
    """
    read: dict[record.AttemptRef, int] = {}
    while True:
        kept = (await runs.load(tenant, run)).record
        # Looked at first: what was printed before the end is in the log when the end is kept.
        over = _over(kept, step)
        found = await asyncio.to_thread(logs.attempts, run)
        for ref in in_order_of(kept, found):
            if step and ref.step != step:
                continue
            while True:
                at = read.get(ref, offset)
                chunk = await asyncio.to_thread(logs.read, run, ref, offset=at)
                if not chunk.data:
                    break
                read[ref] = chunk.offset
                yield ref, chunk
        if over:
            return
        await clock.sleep(_LOOK_S)


def in_order_of(kept: RunRecord, found: Iterable[record.AttemptRef]) -> list[record.AttemptRef]:
    """Attempts as the run goes through them: compensation last, and that from the last step back."""
    places = {name: place for place, name in enumerate(kept.graph.order)}

    def place_of(ref: record.AttemptRef) -> tuple[bool, int, record.AttemptRef]:
        place = places.get(ref.step, -1)  # an earlier version may have had others
        return ref.undo, -place if ref.undo else place, ref

    return sorted(found, key=place_of)


def _over(kept: RunRecord, step: str) -> bool:
    """Whether nothing of it runs, or will run."""
    if step:
        if step not in kept.steps:
            raise StepNotFoundError(kept.run, step, kept.graph.order)
        return kept.steps[step].state.ended
    return kept.state.final and kept.compensation is not record.Compensation.RUNNING
