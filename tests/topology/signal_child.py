"""A program of two pipelines that tells on standard output what happens to it.

Its one argument says how the pipelines take a stop: `drain` or `hang`.
"""

import asyncio
import signal
import sys

from penstock.topology import GlobalConfig, Pipeline, PipelineContext, run_pipelines


def say(text: str) -> None:
    print(text, flush=True)


def of_the_program_itself(*_: object) -> None:
    """A handler from before, which must come back."""


class Waiting(Pipeline):
    def __init__(self, name: str, context: PipelineContext) -> None:
        self._name, self._context = name, context

    @property
    def key(self) -> str:
        return self._name

    async def run(self) -> str:
        say(f"{self._name} started")
        await self._context.shutdown.wait()
        say(f"{self._name} finishes its work in hand")
        if sys.argv[1] == "hang":
            await asyncio.Event().wait()
        return "drained"


async def main() -> int:
    signal.signal(signal.SIGTERM, of_the_program_itself)
    stats = await run_pipelines(
        None, GlobalConfig(), "test", lambda context: [Waiting("a", context), Waiting("b", context)]
    )
    restored = signal.getsignal(signal.SIGTERM) is of_the_program_itself
    say(f"ended: {stats.stopped_by}, {sorted(map(str, stats.outcomes.values()))}, {restored}")
    return stats.exit_code


sys.exit(asyncio.run(main()))
