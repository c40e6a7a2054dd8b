"""An engine whose store or machine misbehaves: it waits, goes on, and does nothing twice without need."""

import asyncio
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from penstock.base import Failpoints, SystemClock
from penstock.engines import EmbeddedEngine, EngineSettings
from penstock.store import StoreUnavailableError, open_sqlite
from penstock.testing import FunctionExecutor
from penstock.testing._engine_conformance import request, steps
from penstock.testing._executors import Doing, nothing
from penstock.workflow import Pipeline, event, executor, states, store

CHAIN = Pipeline.build("chain", steps=steps(a={}, b={"needs": ["a"]}, c={"needs": ["b"]}))
QUICK = EngineSettings(lease=timedelta(milliseconds=300), poll=timedelta(milliseconds=30))


class Jumping(SystemClock):
    """The machine's clock, set forward or back by whoever administers it."""

    def __init__(self) -> None:
        self.offset = timedelta()

    def now(self) -> datetime:
        return super().now() + self.offset


class Stepped(Jumping):
    """Tells the time of its making, but for what it is set forward."""

    def __init__(self) -> None:
        super().__init__()
        self._made = super().now()

    def now(self) -> datetime:
        return self._made + self.offset


def lease_ends(path: Path) -> int:
    """When the only lease of a store runs out."""
    with closing(sqlite3.connect(path, timeout=20)) as db:
        (until,) = db.execute("SELECT min(until) FROM attempt WHERE until IS NOT NULL").fetchone()
    return int(until)


def blocked_until(reached: Callable[[], bool]) -> None:
    """Keep the thread, and the loop in it, from all else until then."""
    deadline, pause = time.monotonic() + 60, threading.Event()
    while not reached():
        assert time.monotonic() < deadline, "not reached within a minute"
        pause.wait(0.01)


class Engines:
    """Engines over one store, each with its own connections, as processes have."""

    def __init__(self, path: Path) -> None:
        self.path = path / "store.sqlite"
        self.done: Counter[str] = Counter()

    @asynccontextmanager
    async def working(
        self,
        doing: Doing = nothing,
        *,
        clock: SystemClock | None = None,
        settings: EngineSettings = QUICK,
        failpoints: Failpoints | None = None,
    ) -> AsyncIterator[tuple[EmbeddedEngine, store.Stores]]:
        async def counted(work: executor.Work) -> object:
            self.done[work.key] += 1
            return await doing(work)

        clock = clock or SystemClock()
        doer = FunctionExecutor(counted, clock=clock)
        async with open_sqlite(self.path, clock=clock, failpoints=failpoints) as stores:
            engine = EmbeddedEngine(
                stores, {"shell": doer}, self.path.parent, settings=settings, clock=clock
            )
            async with engine.working():
                yield engine, stores

    async def finish(self, engine: EmbeddedEngine, stores: store.Stores, run: str) -> int:
        """See a run to its good end; returns how many of its attempts were lost."""
        ended = await asyncio.wait_for(engine.wait("t", run), 60)
        assert ended.state is states.RunState.SUCCEEDED
        told = [each.event.seq for each in await stores.archive.events("t", run)]
        assert told == list(range(1, ended.seq + 1))
        history = [happened for _, happened in await stores.archive.history("t", run)]
        lost = sum(isinstance(each, event.AttemptLost) for each in history)
        assert sum(self.done.values()) <= len(ended.steps) + lost, "done again without need"
        return lost


def test_a_store_that_another_program_holds_is_waited_for(tmp_path: Path) -> None:
    """A backup, say: nothing fails, and nothing is lost or done twice."""
    engines = Engines(tmp_path)

    async def main() -> None:
        async with engines.working() as (engine, stores):
            with closing(sqlite3.connect(engines.path, isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                submitting = asyncio.create_task(engine.submit(request(CHAIN)))
                await asyncio.sleep(0.3)
                assert not submitting.done()
                other.execute("COMMIT")
            run, _ = await submitting
            assert await engines.finish(engine, stores, run) == 0

    asyncio.run(main())


def test_a_store_that_stays_busy_says_so_and_works_again_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who asked is told that nothing was changed; what was under way goes on when it is free."""
    monkeypatch.setattr("penstock.store._database._BUSY_S", 0.05)
    engines = Engines(tmp_path)
    begun, go_on = asyncio.Event, asyncio.Event

    async def main() -> None:
        started, free = begun(), go_on()

        async def held(_: executor.Work) -> None:
            started.set()
            await free.wait()

        async with engines.working(held) as (engine, stores):
            run, _ = await engine.submit(request(CHAIN))
            await started.wait()
            with closing(sqlite3.connect(engines.path, isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                with pytest.raises(StoreUnavailableError, match="locked; nothing was changed"):
                    await engine.submit(request(CHAIN, key="other"))
                free.set()
                await asyncio.sleep(0.1)
                other.execute("COMMIT")
            await engines.finish(engine, stores, run)
            assert len(await stores.archive.runs("t")) == 1

    asyncio.run(main())


def test_a_disk_that_is_full_for_a_while_stops_nothing(tmp_path: Path) -> None:
    """SQLite refuses to grow; when there is room again what had begun goes on."""
    engines = Engines(tmp_path)

    async def main() -> None:
        started, room = asyncio.Event(), asyncio.Event()

        async def held(_: executor.Work) -> str:
            started.set()
            await room.wait()
            return "x" * 20_000

        async with engines.working(held) as (engine, stores):
            database = stores.runs._database  # type: ignore[attr-defined]
            run, _ = await engine.submit(request(CHAIN))
            await started.wait()
            (pages,) = await database.write(
                lambda db, _: db.execute("PRAGMA page_count").fetchone()
            )
            await database.write(lambda db, _: db.execute(f"PRAGMA max_page_count = {pages}"))
            room.set()
            refused = [engine.submit(request(CHAIN, key=f"k{number}")) for number in range(100)]
            told = await asyncio.gather(*refused, return_exceptions=True)
            assert any(isinstance(each, StoreUnavailableError) for each in told)
            assert all("full" in str(each) for each in told if isinstance(each, Exception))
            await make_room(database)
            for each in await stores.archive.runs("t", limit=200):
                assert (await engine.wait("t", each.run)).state is states.RunState.SUCCEEDED
            assert run in {each.run for each in await stores.archive.runs("t", limit=200)}

    asyncio.run(asyncio.wait_for(main(), 100))


async def make_room(database: Any) -> None:
    """Let SQLite grow again; asked for beside changes that find no room, it is undone with them."""
    for _ in range(1_000):
        try:
            await database.write(lambda db, _: db.execute("PRAGMA max_page_count = 1000000"))
        except StoreUnavailableError:
            await asyncio.sleep(0.005)
        else:
            return
    raise AssertionError("there is no room yet")


@pytest.mark.slow
def test_a_disk_that_takes_longer_for_a_commit_than_a_lease_lasts_loses_and_doubles_nothing(
    tmp_path: Path,
) -> None:
    """Whatever is taken for lost meanwhile is fenced off; the runs end."""
    engines = Engines(tmp_path)
    stalls = {
        ("store.commit.before", number): lambda _: threading.Event().wait(0.5)
        for number in (4, 7, 9, 12, 15)
    }

    async def main() -> None:
        points = Failpoints(stalls)  # type: ignore[arg-type]
        async with engines.working(failpoints=points) as (engine, stores):
            run, _ = await engine.submit(request(CHAIN))
            await engines.finish(engine, stores, run)

    asyncio.run(main())


@pytest.mark.parametrize("jump", [timedelta(hours=2), timedelta(hours=-2)], ids=["on", "back"])
def test_a_clock_that_jumps_stops_no_run_and_ends_none(tmp_path: Path, jump: timedelta) -> None:
    """An hour forward, and every lease has run out: who holds one still goes on with it."""
    engines = Engines(tmp_path)
    clock = Jumping()

    async def main() -> None:
        started = asyncio.Event()

        async def jumps(work: executor.Work) -> None:
            if work.ref.step == "b" and not started.is_set():
                started.set()
                clock.offset = jump
                await asyncio.sleep(0.5)

        async with engines.working(jumps, clock=clock) as (engine, stores):
            run, _ = await engine.submit(request(CHAIN))
            assert await engines.finish(engine, stores, run) == 0

    asyncio.run(main())


@pytest.mark.slow
def test_a_loop_that_is_kept_busy_longer_than_a_lease_loses_none(tmp_path: Path) -> None:
    """Leases are renewed from a thread; another engine finds nothing to take up.

    The time of the store goes on by steps, each once the one before has been seen to be renewed.
    """
    engines, clock, rival_works = Engines(tmp_path), Stepped(), threading.Event()
    settings = QUICK.model_copy(update={"lease": timedelta(seconds=1)})

    async def main() -> None:
        async def hogs(work: executor.Work) -> None:
            while work.ref.step == "b" and not rival_works.is_set():
                await asyncio.sleep(0.01)
            for _ in range(4 if work.ref.step == "b" else 0):
                before = lease_ends(engines.path)
                clock.offset += 0.6 * settings.lease
                blocked_until(lambda before=before: lease_ends(engines.path) > before)

        async with engines.working(hogs, clock=clock, settings=settings) as (engine, stores):
            run, _ = await engine.submit(request(CHAIN))
            rival = asyncio.create_task(asyncio.to_thread(asyncio.run, second(run)))
            assert await engines.finish(engine, stores, run) == 0
            await rival

    async def second(run: str) -> None:
        async with engines.working(clock=clock, settings=settings) as (engine, _):
            rival_works.set()
            await asyncio.wait_for(engine.wait("t", run), 60)

    asyncio.run(main())

    assert set(engines.done.values()) == {1}
