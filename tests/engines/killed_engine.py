"""An engine to be killed: runs of twelve steps on one store, each execution noted on the disk."""

import asyncio
import multiprocessing
import os
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from penstock.base import Failpoints, SystemClock
from penstock.engines import EmbeddedEngine, EngineSettings
from penstock.store import open_sqlite
from penstock.store._rows import dumped
from penstock.store._runs import SqliteRuns, _Change
from penstock.testing import FunctionExecutor
from penstock.testing._engine_conformance import request, steps
from penstock.workflow import Pipeline, codec, domain, event, executor, states, store

POINTS = {
    "store.commit.before": 30,
    "store.commit.after": 30,
    "engine.submit.before": 60,
    "engine.submit.after": 60,
    "engine.report.before": 60,
}
BETWEEN = "planted.between"
"""Crossed by a planted fault alone: between the change and what the world is told of it."""

SLOTS = 8
SETTINGS = EngineSettings(
    slots=SLOTS, lease=timedelta(milliseconds=300), poll=timedelta(milliseconds=50)
)
TWELVE = Pipeline.build(
    "twelve",
    steps=steps(
        **{
            f"s{row}{column}": {"needs": [f"s{row - 1}{c}" for c in "abc"] if row else []}
            for row in range(4)
            for column in "abc"
        }
    ),
)

_forked = multiprocessing.get_context("forkserver")
_forked.set_forkserver_preload([__name__])


def carry_out(folder: str, runs: int, armed: str, mutant: Callable[[], None] | None) -> None:
    """Submit the runs, which is harmless where that was done, and see them to their end."""
    if mutant is not None:
        mutant()
    asyncio.run(_carry_out(Path(folder), runs, Failpoints.parse(armed)))


async def _carry_out(folder: Path, runs: int, failpoints: Failpoints) -> None:
    noted = os.open(folder / "executions", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    async def note(work: executor.Work) -> str:
        os.write(noted, f"{work.key}\n".encode())
        return work.key

    doer = FunctionExecutor(note, clock=SystemClock())
    async with open_sqlite(folder / "store.sqlite", failpoints=failpoints) as stores:
        engine = EmbeddedEngine(
            stores, {"shell": doer}, folder, settings=SETTINGS, failpoints=failpoints
        )
        async with engine.working():
            asked = [engine.submit(request(TWELVE, key=f"k{n}")) for n in range(runs)]
            names = [run for run, _ in await asyncio.gather(*asked)]
            for run in names:
                await engine.wait("t", run)


@dataclass
class Campaign:
    """Kills over one store, then a run to the end, then a look at everything that was kept."""

    folder: Path
    runs: int
    seed: int
    mutant: Callable[[], None] | None = None
    points: Sequence[str] = tuple(sorted(POINTS))
    kills: Counter[str] = field(default_factory=Counter)

    def run(self, kills: int) -> None:
        """Kill so often, finish, and check.

        Raises:
            AssertionError: Something was lost, doubled, stuck, or done again without need.
        """
        chance = random.Random(self.seed)
        for _ in range(kills * 3):
            if self.kills.total() == kills:
                break
            point = chance.choice(self.points)
            number = chance.randrange(1, POINTS.get(point, 30))
            if self._start(f"{point}@{number}=kill") == -9:
                self.kills[point] += 1
        assert self._start("") == 0, "an engine that nobody killed did not end well"
        asyncio.run(self._check())

    def _start(self, armed: str) -> int | None:
        process = _forked.Process(
            target=carry_out, args=(str(self.folder), self.runs, armed, self.mutant)
        )
        process.start()
        process.join(60)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise AssertionError("a run is stuck")
        return process.exitcode

    async def _check(self) -> None:
        executions = Counter((self.folder / "executions").read_text().split())
        lost = 0
        async with open_sqlite(self.folder / "store.sqlite") as stores:
            listed = await stores.archive.runs("t", limit=10_000)
            assert len(listed) == self.runs
            for each in listed:
                lost += await self._check_run(stores, each.run, executions)
            told = await read_all(stores)
        ids = [(each.run, each.event.seq) for each in told]
        assert len(ids) == len(set(ids)), "an event is in the outbox twice"
        assert lost <= SLOTS * self.kills.total(), "more was done again than had been killed"

    async def _check_run(self, stores: store.Stores, run: str, executions: Counter[str]) -> int:
        """What must hold of one run; returns how many of its attempts were lost."""
        stored = await stores.runs.load("t", run)
        assert stored.record.state is states.RunState.SUCCEEDED
        told = [each.event for each in await stores.archive.events("t", run)]
        assert [each.seq for each in told] == list(range(1, stored.record.seq + 1)), "lost event"
        kinds = Counter((str(each.kind), each.step) for each in told)
        assert kinds["PIPELINE_STARTED", ""] == kinds["PIPELINE_SUCCEEDED", ""] == 1
        history = [happened for _, happened in await stores.archive.history("t", run)]
        started = Counter(h.ref.key(run) for h in history if isinstance(h, event.AttemptStarted))
        for name in stored.record.graph.order:
            key = f"{run}/{name}"
            assert kinds["PIPELINE_STEP_COMPLETED", name] == 1
            assert 1 <= executions[key] <= started[key], "done without a kept start"
        results = await stores.runs.results("t", run, stored.record.graph.order)
        assert results == {name: f"{run}/{name}" for name in stored.record.graph.order}
        return sum(isinstance(happened, event.AttemptLost) for happened in history)


async def read_all(stores: store.Stores) -> Sequence[store.OutboxEvent]:
    """The whole outbox, page by page."""
    found: list[store.OutboxEvent] = []
    while page := await stores.outbox.read(after=found[-1].position if found else 0, limit=1_000):
        found += page
    return found


def tell_later() -> None:
    """A planted fault: domain events are kept in a second transaction."""
    keep = SqliteRuns.apply

    async def apply(  # type: ignore[no-untyped-def]
        self, run, event, decision, **options
    ):
        await keep(self, run, event, decision._replace(events=()), **options)
        if decision.events:
            self._database._failpoints.cross(BETWEEN)
        later = _Change(run, event, decision)
        await self._database.write(partial(_tell, later, decision.events))

    SqliteRuns.apply = apply  # type: ignore[method-assign]


def _tell(change: _Change, events: Sequence[domain.DomainEvent], db: Any, _: int) -> None:
    for told in events:
        db.execute(
            "INSERT INTO outbox (tenant, run, pipeline, digest, seq, event)"
            " VALUES (?, ?, '', '', ?, ?)",
            (*change._id, told.seq, dumped(codec.encode_domain(told))),
        )
