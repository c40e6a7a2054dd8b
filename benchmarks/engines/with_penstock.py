"""Penstock's embedded engine with all its features: history, events, leases, fences, timers."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import quantiles
from typing import Any

from penstock.engines import EmbeddedEngine
from penstock.steps import LocalExecutor, LocalPlace
from penstock.store import open_sqlite
from penstock.workflow import Engine, Pipeline, RunRecord, engine, executor, states

OPEN_RUNS = 10_000
ITEMS = 5_000
TRIGGERS = 300


@dataclass
class Begun:
    """When the work of each run's first step began."""

    at: dict[str, float] = field(default_factory=dict)
    any: asyncio.Event = field(default_factory=asyncio.Event)

    def note(self, run: str) -> None:
        """A step of a run does its work."""
        self.any.set()
        self.at.setdefault(run, time.perf_counter())


class Nothing(LocalExecutor):
    """Steps that do nothing, as a program would have them.

    The double of `penstock.testing` would bring pytest and Arrow into the process, and the garbage
    collector would go through them while the engine is measured.
    """

    kind = "shell"

    def __init__(self, begun: Begun) -> None:
        super().__init__(LocalPlace(Path("unused"), Path()))
        self._begun = begun

    async def perform(self, work: executor.Work) -> None:
        """Note that it began."""
        self._begun.note(work.run)


@asynccontextmanager
async def opened(folder: Path, begun: Begun) -> AsyncIterator[EmbeddedEngine]:
    """An engine that does not work yet."""
    async with open_sqlite(folder / "penstock.sqlite") as stores:
        yield EmbeddedEngine(stores, {"shell": Nothing(begun)}, folder)


def chain(length: int) -> Pipeline:
    """One step after the other."""
    names = [f"step-{number}" for number in range(length)]
    steps: dict[str, Any] = {name: {"shell": {"command": "true"}} for name in names}
    for before, after in pairwise(names):
        steps[after]["needs"] = [before]
    return Pipeline.build(f"chain-{length}", steps=steps)


async def submit(working: Engine, pipeline: Pipeline, key: str) -> str:
    """The id of a new run."""
    run, _ = await working.submit(engine.RunRequest("bench", pipeline, key, {}))
    return run


async def finish(working: Engine, runs: Sequence[str]) -> None:
    """Wait until all have succeeded."""
    ended: list[RunRecord] = await asyncio.gather(*(working.wait("bench", run) for run in runs))
    if any(run.state is not states.RunState.SUCCEEDED for run in ended):
        raise SystemExit("expected all runs to succeed")


async def seconds_per_step(folder: Path, length: int) -> float:
    """Of one chain, after a first run; defined before the clock starts, as the peers' workflows are."""
    pipeline = chain(length)
    async with opened(folder, Begun()) as working, working.working():
        await finish(working, [await submit(working, chain(3), "warm")])
        started = time.perf_counter()
        await finish(working, [await submit(working, pipeline, "chain")])
        return (time.perf_counter() - started) / length


async def steps_per_second(folder: Path, runs: int, each: int) -> float:
    """Of many runs side by side."""
    pipeline = chain(each)
    async with opened(folder, Begun()) as working, working.working():
        started = time.perf_counter()
        keys = (f"rate-{number}" for number in range(runs))
        found = await asyncio.gather(*(submit(working, pipeline, key) for key in keys))
        await finish(working, found)
        return runs * each / (time.perf_counter() - started)


async def first_step_p99(folder: Path) -> float:
    """Seconds from an accepted trigger to its first step, one trigger after the other."""
    pipeline, begun, waits = chain(1), Begun(), []
    async with opened(folder, begun) as working, working.working():
        for number in range(TRIGGERS):
            run = await submit(working, pipeline, f"trigger-{number}")
            accepted = time.perf_counter()
            await finish(working, [run])
            waits.append(begun.at[run] - accepted)
    return quantiles(waits, n=100)[-1]


async def resumed(folder: Path) -> float:
    """Seconds from opening a store with many open runs to the first work of one of them."""
    pipeline = chain(2)
    async with opened(folder, Begun()) as asleep:
        for page in range(0, OPEN_RUNS, 500):
            keys = (f"open-{number}" for number in range(page, page + 500))
            await asyncio.gather(*(submit(asleep, pipeline, key) for key in keys))
    begun, started = Begun(), time.perf_counter()
    async with opened(folder, begun) as working, working.working():
        await begun.any.wait()
        return min(begun.at.values()) - started


async def fan_out(folder: Path) -> float:
    """Seconds from the submission of a map until all its items can be claimed, and one was."""
    step = {
        "shell": {"command": "${{ item }}"},
        "map": {"over": f"${{{{ {list(range(ITEMS))} }}}}", "parallel": ITEMS},
    }
    pipeline, begun = Pipeline.build("fan-out", steps={"wide": step}), Begun()
    async with opened(folder, begun) as working, working.working():
        started = time.perf_counter()
        run = await submit(working, pipeline, "fan-out")
        await begun.any.wait()
        if (await working.state("bench", run)).steps["wide"].opened < ITEMS:
            raise SystemExit("expected all items to be scheduled at once")
        spent = time.perf_counter() - started
        await working.cancel("bench", run, reason="it was measured")
    return spent


async def measured(folder: Path, length: int, runs: int, each: int) -> dict[str, float]:
    """All figures, each on a store of its own."""
    return {
        "step_s": await seconds_per_step(folder / "chain", length),
        "rate": await steps_per_second(folder / "rate", runs, each),
    }


async def alone(folder: Path) -> dict[str, float]:
    """The figures that have no peer."""
    return {
        "first_step_s": await first_step_p99(folder / "first"),
        "fan_out_s": await fan_out(folder / "fan"),
        "resumed_s": await resumed(folder / "open"),
    }


def main() -> None:
    """Measure and print."""
    folder, *sizes = sys.argv[1:]
    if sizes:
        length, runs, each = map(int, sizes)
        print(json.dumps(asyncio.run(measured(Path(folder), length, runs, each))))
    else:
        print(json.dumps(asyncio.run(alone(Path(folder)))))


if __name__ == "__main__":
    main()
