"""How long is a worker process missed that is killed?

From SIGKILL to the first answer of its successor, for a stage of one worker whose module imports
only Penstock. Twice: with the spare ready, as it is a moment after the last death, and for a second
death at once, where the next worker has to start first. The pools of pebble and loky beside it.

Run it: `python -m benchmarks.bench_worker [--rounds 20]`.
"""

import argparse
import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from importlib import import_module
from statistics import median, quantiles

from benchmarks.verdicts import Verdict, verdicts
from penstock import Flow, stage

_PEERS = ("pebble", "loky")
_SETTLED = 1.5
"""Seconds after which a spare is ready, also on a slow machine."""


@stage(pool="process", chunk=1)
def who(number: int) -> tuple[int, int]:
    """The number, and the process that had it."""
    return number, os.getpid()


class Asked:
    """A flow that answers one question at a time."""

    def __init__(self) -> None:
        self._questions: asyncio.Queue[int] = asyncio.Queue(1)
        self._answers: asyncio.Queue[tuple[int, int]] = asyncio.Queue(1)
        self.flow = Flow("asked") | self._ask() | who | self._answers.put

    async def _ask(self) -> AsyncIterator[int]:
        while True:
            yield await self._questions.get()

    async def pid(self) -> int:
        """Of the worker, asked anew."""
        await self._questions.put(0)
        return (await self._answers.get())[1]


async def missed(asked: Asked, *, settled: bool) -> float:
    """Seconds from a kill to an answer."""
    pid = await asked.pid()
    if settled:
        await asyncio.sleep(_SETTLED)
    started = time.perf_counter()
    os.kill(pid, signal.SIGKILL)
    while await asked.pid() == pid:
        pass
    return time.perf_counter() - started


async def measured(rounds: int) -> tuple[list[float], list[float]]:
    """Seconds with a spare, and without."""
    asked = Asked()
    warm, cold = [], []
    async with asked.flow.start() as running:
        for _ in range(rounds):
            warm.append(await missed(asked, settled=True))
            cold.append(await missed(asked, settled=False))
        await running.drain()
    return warm, cold


def missed_by(peer: str, rounds: int) -> list[float]:
    """Seconds from each kill to the next answer of a peer's pool of one process."""
    found: list[float] = import_module(f"benchmarks.peers.flow_{peer}").missed(rounds)
    return found


def section(rounds: int) -> list[str]:
    """Lines of Markdown."""
    lines = ["| case | median ms | 95 % below ms |", "| --- | ---: | ---: |"]
    warm, cold = asyncio.run(measured(max(rounds, 2)))
    cases = {"with the spare": warm, "a second death at once": cold}
    cases |= {peer: missed_by(peer, max(rounds, 2)) for peer in _PEERS}
    for case, seconds in cases.items():
        high = quantiles(seconds, n=20)[-1]
        lines.append(f"| {case} | {1e3 * median(seconds):.0f} | {1e3 * high:.0f} |")
    case = f"median ms of {len(warm)} kills with the spare"
    found = [Verdict(case, 1e3 * median(warm), 200, digits=0)]
    return [*lines, "", *verdicts(found)]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Kill workers, and see how long they are missed.")
    parser.add_argument("--rounds", type=int, default=20)
    print("\n".join(section(parser.parse_args().rounds)))


if __name__ == "__main__":
    main()
