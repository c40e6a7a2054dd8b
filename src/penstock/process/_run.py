"""Run a program to its end, as often as its retry policy allows."""

import random

from penstock.base import Clock, RetryPolicy
from penstock.process._child import open_process
from penstock.process._spec import ExitStatus, ProcessFailedError, ProcessSpec


async def run_process(spec: ProcessSpec, *, clock: Clock) -> ExitStatus:
    """Run it once, within its limits, and say how it ended; cancelling ends the whole tree.

    Raises:
        ProcessStartError: There is no such program or directory.
    """
    async with open_process(spec, clock=clock) as child:
        return await child.wait()


async def run_with_restarts(
    spec: ProcessSpec, *, retry: RetryPolicy, clock: Clock, seed: str = ""
) -> int:
    """Run it until it ends with code 0; return the number of attempts that took.

    Args:
        spec: What to run; each attempt starts from nothing and appends to the same log file.
        retry: How soon and how often it is started again.
        clock: For limits and backoff.
        seed: Makes the jitter of the backoff repeatable.

    Raises:
        ProcessFailedError: The last attempt that `retry` allows failed too.
        ProcessStartError: There is no such program or directory.
    """
    chance = random.Random(seed)  # noqa: S311 - spreads load, guards nothing
    attempt = 1
    while True:
        status = await run_process(spec, clock=clock)
        if status.ok:
            return attempt
        error = ProcessFailedError(spec.argv[0], status, spec.log_file)
        if not retry.allows(attempt, error):
            raise error
        await clock.sleep(retry.delay(attempt, chance))
        attempt += 1
