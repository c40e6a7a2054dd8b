"""An engine to be killed: runs of twelve steps on one store, each execution noted on the disk."""

import asyncio
import multiprocessing
import os
import random
import signal
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from penstock.base import Failpoints, SystemClock
from penstock.engines import EmbeddedEngine, EngineSettings
from penstock.store import open_sqlite
from penstock.store._change import Change
from penstock.store._queue import SqliteQueue
from penstock.store._runs import SqliteRuns
from penstock.testing import FunctionExecutor
from penstock.testing._engine_conformance import request, steps
from penstock.workflow import (
    Pipeline,
    RunRecord,
    codec,
    domain,
    event,
    executor,
    states,
    store,
)

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

ENDS = (
    event.AttemptSucceeded,
    event.AttemptFailed,
    event.AttemptLost,
    event.AttemptStopped,
    event.AttemptReturned,
)
MORE_RUNS = 4
"""Submitted before an engine falls asleep, so that there is work for two."""

LOOK_S = 0.25
UNHELD_LOOKS = 40
"""An engine at work takes up what has no live lease sooner: ten seconds, of which it had some of each.

Counted in looks, since a machine that stalls keeps the engine from its work and not the clock.
"""

_forked = multiprocessing.get_context("forkserver")
_forked.set_forkserver_preload([__name__])


def carry_out(folder: str, runs: int, armed: str, mutant: Callable[[], None] | None) -> None:
    """Submit the runs, which is harmless where that was done, and see them to their end."""
    if mutant is not None:
        mutant()
    asyncio.run(_carry_out(Path(folder), runs, _points(armed)))


def _points(armed: str) -> Failpoints:
    """As `Failpoints.parse`; `stop` stands for a machine that sleeps, with all that is on it."""
    place, _, verb = armed.partition("=")
    if verb != "stop":
        return Failpoints.parse(armed)
    point, _, number = place.partition("@")
    return Failpoints({(point, int(number)): _fall_asleep})


def _fall_asleep(_: str) -> None:
    os.kill(os.getpid(), signal.SIGSTOP)
    # Another thread may take the signal: this one must not begin a transaction before all stand.
    threading.Event().wait(0.05)


async def _carry_out(folder: Path, runs: int, failpoints: Failpoints) -> None:
    noted = os.open(folder / "executions", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    async def note(work: executor.Work) -> str:
        # A kill can cut a write at the end of a page: what follows begins a line of its own.
        os.write(noted, f"\n{work.key}\n".encode())
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
    patience: float = 60
    """Seconds until a run that has not ended is stuck."""

    kills: Counter[str] = field(default_factory=Counter)
    sleeps: int = 0

    def run(self, kills: int, *, sleeps: int = 0) -> None:
        """Kill so often, let one of two engines sleep so often, finish, and check.

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
                self._check_at_rest()
        for _ in range(sleeps * 5):
            if self.sleeps < sleeps:
                self._sleep(chance.randrange(5, 25))
        assert self._start("") == 0, "an engine that nobody killed did not end well"
        asyncio.run(self._check())

    def _start(self, armed: str) -> int | None:
        process = _forked.Process(
            target=carry_out, args=(str(self.folder), self.runs, armed, self.mutant)
        )
        process.start()
        self._watch(process)
        return process.exitcode

    def _watch(self, process: Any) -> None:
        """Wait for its end, and see meanwhile that nothing runs for long without a live lease."""
        started, unheld = time.monotonic(), 0
        try:
            while process.exitcode is None:
                process.join(LOOK_S)
                assert time.monotonic() - started < self.patience, "a run is stuck"
                unheld = unheld + 1 if self._oldest_lease() < time.time() else 0
                assert unheld < UNHELD_LOOKS, "an attempt is RUNNING without a live lease"
        finally:
            process.kill()
            process.join()

    def _oldest_lease(self) -> float:
        """When the first of the leases runs out, or ran out; far off where there is none."""
        path = self.folder / "store.sqlite"
        if not path.exists():
            return float("inf")
        with closing(sqlite3.connect(path, timeout=20)) as db:
            known = db.execute("SELECT 1 FROM sqlite_master WHERE name = 'attempt'").fetchone()
            query = "SELECT min(until) FROM attempt WHERE until IS NOT NULL"
            (until,) = db.execute(query).fetchone() if known else (None,)
        return float("inf") if until is None else until / 1e6

    def _sleep(self, number: int) -> None:
        """One engine falls asleep at its work; the other does all; then the first wakes up.

        It does not hold the lock of the file then: what sleeps with it keeps everybody out.
        """
        self.runs += MORE_RUNS
        sleeper, other = (
            _forked.Process(
                target=carry_out, args=(str(self.folder), self.runs, armed, self.mutant)
            )
            for armed in (f"store.commit.after@{number}=stop", "")
        )
        sleeper.start()
        try:
            deadline = time.monotonic() + self.patience
            while not _asleep(sleeper.pid) and sleeper.exitcode is None:
                assert time.monotonic() < deadline, "an engine neither slept nor ended"
                sleeper.join(0.01)
            other.start()
            self._watch(other)
            if sleeper.exitcode is None:
                os.kill(sleeper.pid, signal.SIGCONT)
                self._watch(sleeper)
                self.sleeps += 1
        finally:  # one that was left asleep would keep the tests from their end
            sleeper.kill()
            sleeper.join()

    def _check_at_rest(self) -> None:
        """After a kill: what the runs hold to be running has a lease, which will run out."""

        async def main() -> None:
            async with open_sqlite(self.folder / "store.sqlite") as stores:
                for stored in await stores.runs.open_runs():
                    assert running(stored.record) <= self._leased(stored.record.run)

        asyncio.run(main())

    def _leased(self, run: str) -> set[tuple[str, int]]:
        with closing(sqlite3.connect(self.folder / "store.sqlite")) as db:
            query = "SELECT step, number FROM attempt WHERE run = ? AND until IS NOT NULL"
            return set(db.execute(query, (run,)))

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
        assert lost <= SLOTS * (self.kills.total() + self.sleeps), "more was lost than killed"

    async def _check_run(self, stores: store.Stores, run: str, executions: Counter[str]) -> int:
        """What must hold of one run; returns how many of its attempts were lost."""
        stored = await stores.runs.load("t", run)
        assert stored.record.state is states.RunState.SUCCEEDED
        told = [each.event for each in await stores.archive.events("t", run)]
        assert [each.seq for each in told] == list(range(1, stored.record.seq + 1)), "lost event"
        kinds = Counter((str(each.kind), each.step) for each in told)
        assert kinds["PIPELINE_STARTED", ""] == kinds["PIPELINE_SUCCEEDED", ""] == 1
        history = [happened for _, happened in await stores.archive.history("t", run)]
        ended = Counter(h.ref for h in history if isinstance(h, ENDS))
        assert set(ended.values()) == {1}, "an attempt was reported on twice"
        started = Counter(h.ref.key(run) for h in history if isinstance(h, event.AttemptStarted))
        for name in stored.record.graph.order:
            key = f"{run}/{name}"
            assert kinds["PIPELINE_STEP_COMPLETED", name] == 1
            assert 1 <= executions[key] <= started[key], "done without a kept start"
        results = await stores.runs.results("t", run, stored.record.graph.order)
        assert results == {name: f"{run}/{name}" for name in stored.record.graph.order}
        return sum(isinstance(happened, event.AttemptLost) for happened in history)


def running(kept: RunRecord) -> set[tuple[str, int]]:
    """Step and number of the attempts that a run holds to be running."""
    return {
        (name, unit.number)
        for name, step in kept.steps.items()
        for unit in step.units.values()
        if unit.state is states.StepState.RUNNING
    }


def _asleep(pid: int) -> bool:
    """Whether a process was stopped; one that has ended was not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    except (FileNotFoundError, ProcessLookupError):
        return False


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
        later = Change(run, event, decision)
        await self._database.write(partial(_tell, later, decision.events))

    SqliteRuns.apply = apply  # type: ignore[method-assign]


def report_without_fence() -> None:
    """A planted fault: who has lost a lease may report all the same."""

    def give_up(self: Change, db: Any, _: store.Lease) -> None:
        if isinstance(self.happened, ENDS):
            self._withdraw(db, self.happened.ref)

    Change._require_lease = give_up  # type: ignore[method-assign]


def count_attempts() -> None:
    """A planted fault: attempts at work are counted in a row beside them, in a second transaction."""
    claim, apply = SqliteQueue.claim, SqliteRuns.apply

    async def counted_claim(self, worker, *, limit, lease):  # type: ignore[no-untyped-def]
        async with _counting:
            room = 1 - await self._database.read(_counted)
            leases = await claim(self, worker, limit=min(limit, room), lease=lease) if room else []
            await self._database.write(partial(_count, len(leases)))
        return leases

    async def counted_apply(self, run, event, decision, **options):  # type: ignore[no-untyped-def]
        if options["onward"] is not None:
            raise store.ConflictError(run.record.run, "attempts begin where they are counted")
        await apply(self, run, event, decision, **options)
        if isinstance(event, ENDS):
            self._database._failpoints.cross(BETWEEN)
            async with _counting:
                await self._database.write(partial(_count, -1))

    SqliteQueue.claim = counted_claim  # type: ignore[method-assign]
    SqliteRuns.apply = counted_apply  # type: ignore[method-assign]


_counting = asyncio.Lock()


def _counted(db: Any, _: int) -> int:
    found = db.execute("SELECT position FROM consumer WHERE name = 'at work'").fetchone()
    return int(found[0]) if found else 0


def _count(change: int, db: Any, now: int) -> None:
    db.execute(
        "INSERT OR REPLACE INTO consumer VALUES ('at work', ?)", (_counted(db, now) + change,)
    )


def _tell(change: Change, events: Sequence[domain.DomainEvent], db: Any, _: int) -> None:
    for told in events:
        db.execute(
            "INSERT INTO journal SELECT (SELECT max(position) FROM journal) + 1, id, ?, 0, '', ?"
            " FROM run WHERE tenant = ? AND run = ?",
            (told.seq, codec.encode_domain(told), *change._id),
        )
