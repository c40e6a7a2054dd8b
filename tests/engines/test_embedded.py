"""The embedded engine: the conformance suite, and what several processes on one store do."""

import asyncio
import itertools
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from penstock.base import FailpointError, Failpoints, SystemClock
from penstock.engines import EmbeddedEngine, EngineSettings, Payloads
from penstock.store import open_sqlite
from penstock.testing import EngineConformance, FakeClock, FunctionExecutor
from penstock.testing._engine_conformance import request, steps
from penstock.testing._executors import Doing, nothing
from penstock.workflow import Engine, Pipeline, errors, event, executor, states, store

QUICK = EngineSettings(lease=timedelta(milliseconds=400), poll=timedelta(milliseconds=50))
PATIENT = QUICK.model_copy(update={"lease": timedelta(minutes=1)})
"""Looks as often, and keeps its leases on a machine that stalls."""


@asynccontextmanager
async def open_engine(
    path: Path, doing: Doing = nothing, settings: EngineSettings | None = None
) -> AsyncIterator[tuple[EmbeddedEngine, store.Stores, FunctionExecutor]]:
    """An engine that does not work yet."""
    doer = FunctionExecutor(doing, clock=SystemClock())
    async with open_sqlite(path / "store.sqlite") as stores:
        yield EmbeddedEngine(stores, {"shell": doer}, path, settings=settings), stores, doer


class TestEmbedded(EngineConformance):
    @pytest.fixture(autouse=True)
    def place(self, tmp_path: Path) -> None:
        self.path = tmp_path

    @asynccontextmanager
    async def open_engine(self, doing: Doing) -> AsyncIterator[Engine]:
        async with open_engine(self.path, doing) as (engine, _, _), engine.working():
            yield engine


PIPELINE = Pipeline.build("p", steps=steps(a={}, b={"needs": ["a"]}))


async def crash(working: Any) -> None:
    """End an engine as a kill would: nothing is handed back."""
    loops = working._loops
    loops.drain = lambda: asyncio.sleep(0)


def test_an_engine_that_stops_hands_back_what_it_has_not_done(tmp_path: Path) -> None:
    """Another takes it up at once, and it costs no attempt of the retry policy."""
    begun = asyncio.Event

    async def main() -> None:
        started = begun()

        async def hangs(_: executor.Work) -> None:
            started.set()
            await asyncio.Event().wait()

        async with open_engine(tmp_path, hangs) as (engine, _, _), engine.working():
            run, _ = await engine.submit(request(PIPELINE))
            await started.wait()
        async with open_engine(tmp_path) as (engine, stores, doer), engine.working():
            ended = await asyncio.wait_for(engine.wait("t", run), 60)
            kinds = [told.event.kind for told in await stores.archive.events("t", run)]
        assert ended.state is states.RunState.SUCCEEDED
        assert "PIPELINE_STEP_RETRYING" not in kinds
        assert doer.begun == {f"{run}/a": 1, f"{run}/b": 1}

    asyncio.run(main())


@pytest.mark.slow
def test_what_a_dead_engine_left_is_taken_up_when_its_lease_runs_out(tmp_path: Path) -> None:
    """The attempt is lost, another is made under the same key, and the first one's report is refused."""

    async def main() -> None:
        started, go_on = asyncio.Event(), asyncio.Event()

        async def hangs(_: executor.Work) -> str:
            started.set()
            await go_on.wait()
            return "ghost"

        # With one slot, so that it takes no other attempt to its grave.
        slow = QUICK.model_copy(update={"lease": timedelta(milliseconds=150), "slots": 1})
        async with open_engine(tmp_path, hangs, slow) as (dead, _, _):
            never = asyncio.Event()
            dead._loops._renewer.run = never.wait  # type: ignore[method-assign]  # a worker that sleeps
            dead._loops._take_up = never.wait  # type: ignore[method-assign]
            await crash(dead)
            async with dead.working():
                run, _ = await dead.submit(request(PIPELINE))
                await started.wait()
                async with open_engine(tmp_path, settings=PATIENT) as (engine, stores, doer):
                    async with engine.working():
                        ended = await asyncio.wait_for(engine.wait("t", run), 60)
                    go_on.set()
                    await asyncio.sleep(0.05)
                    results = await stores.runs.results("t", run, ["a"])
        assert ended.state is states.RunState.SUCCEEDED
        assert doer.begun[f"{run}/a"] == 1
        assert results == {"a": None}

    asyncio.run(main())


def test_a_request_is_fulfilled_by_whoever_works(tmp_path: Path) -> None:
    """A process that only asks, such as a command, needs no engine of its own at work."""

    async def main() -> None:
        started = asyncio.Event()

        async def hangs(_: executor.Work) -> None:
            started.set()
            await asyncio.Event().wait()

        async with (
            open_engine(tmp_path, hangs, QUICK) as (engine, _, _),
            open_engine(tmp_path) as (asking, _, _),
            engine.working(),
        ):
            run, _ = await asking.submit(request(PIPELINE))
            await started.wait()
            await asking.cancel("t", run, reason="enough")
            ended = await asyncio.wait_for(asking.wait("t", run), 60)
        assert ended.state is states.RunState.CANCELLED

    asyncio.run(main())


def test_a_request_counts_for_the_run_as_it_is_not_as_its_process_left_it(tmp_path: Path) -> None:
    """Who has submitted a run that another process carries out by now may pause it."""

    async def main() -> None:
        started, go_on = asyncio.Event(), asyncio.Event()

        async def waits(_: executor.Work) -> None:
            started.set()
            await go_on.wait()

        async with (
            open_engine(tmp_path, waits, QUICK) as (engine, _, _),
            open_engine(tmp_path) as (asking, _, _),
            engine.working(),
        ):
            run, _ = await asking.submit(request(PIPELINE))
            await started.wait()
            await asking.pause("t", run)
            assert (await engine.state("t", run)).state is states.RunState.PAUSED
            await engine.resume("t", run)
            go_on.set()
            ended = await asyncio.wait_for(asking.wait("t", run), 5)
            assert ended.state is states.RunState.SUCCEEDED
            with pytest.raises(errors.RefusedError):
                await asking.pause("t", run)

    asyncio.run(main())


class Counting:
    """Counts how often runs are read back."""

    def __init__(self, kept: Any) -> None:
        self._kept = kept
        self.loads = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._kept, name)

    async def load(self, tenant: str, run: str) -> store.StoredRun:
        self.loads += 1
        found: store.StoredRun = await self._kept.load(tenant, run)
        return found


def test_a_run_of_this_process_is_carried_out_without_being_read_back(tmp_path: Path) -> None:
    """Neither by those who decide on it, nor by those who wait for its end; that it is kept is seen after."""

    async def main() -> None:
        clock = FakeClock()
        async with open_sqlite(tmp_path / "s", clock=clock) as stores:
            counting: Any = Counting(stores.runs)
            doer = FunctionExecutor(clock=clock)
            engine = EmbeddedEngine(
                replace(stores, runs=counting), {"shell": doer}, tmp_path, clock=clock
            )
            run, _ = await engine.submit(request(PIPELINE))
            waiting = asyncio.create_task(engine.wait("t", run))
            await asyncio.sleep(0)
            async with engine.working():
                ended = await asyncio.wait_for(waiting, 10)
                assert counting.loads == 0
                assert ended == (await stores.runs.load("t", run)).record

    asyncio.run(main())


@pytest.mark.slow
def test_no_more_runs_and_attempts_are_at_work_than_allowed(tmp_path: Path) -> None:
    """With two engines on one store, over all moments of twelve runs."""
    at_work: list[int] = []

    async def main() -> None:
        now: dict[str, int] = {}

        async def counted(work: executor.Work) -> None:
            now[work.run] = now.get(work.run, 0) + 1
            at_work.append(max(now.values()))
            assert len(now) <= 3
            await asyncio.sleep(0.005)
            now[work.run] -= 1
            if not now[work.run]:
                del now[work.run]

        pipeline = Pipeline.build(
            "p", steps=steps(a={}, b={}, c={}), concurrency={"runs": 3, "steps": 2}
        )
        async with (
            open_engine(tmp_path, counted, PATIENT) as (one, _, _),
            open_engine(tmp_path, counted, PATIENT) as (two, _, _),
            one.working(),
            two.working(),
        ):
            runs = [(await one.submit(request(pipeline, key=f"k{n}")))[0] for n in range(12)]
            ended = [await asyncio.wait_for(one.wait("t", run), 60) for run in runs]
        assert {state.state for state in ended} == {states.RunState.SUCCEEDED}

    asyncio.run(main())

    assert max(at_work) == 2


def test_a_store_that_fails_for_a_while_stops_nothing(tmp_path: Path) -> None:
    """The next look finds what the failed one left."""
    submitted: list[str] = []
    later = itertools.count(1)

    def fail(point: str) -> None:
        if submitted and (number := next(later)) % 3 == 0 and number <= 12:
            raise FailpointError(point)

    points = Failpoints({("store.commit.before", 0): fail})

    async def main() -> None:
        doer = FunctionExecutor(clock=SystemClock())
        async with open_sqlite(tmp_path / "s", failpoints=points) as stores:
            engine = EmbeddedEngine(stores, {"shell": doer}, tmp_path, settings=QUICK)
            async with engine.working():
                run, _ = await engine.submit(request(PIPELINE))
                submitted.append(run)
                ended = await asyncio.wait_for(engine.wait("t", run), 60)
        assert ended.state is states.RunState.SUCCEEDED

    asyncio.run(main())


def test_a_large_result_is_kept_beside_the_store_and_small_ones_in_it(tmp_path: Path) -> None:
    """The row names what is in the file; equal results share one."""
    payloads = Payloads(tmp_path / "results")

    async def main() -> None:
        large = {"text": "x" * 70_000}
        assert await payloads.put({"small": (1,)}) == ({"small": (1,)}, {"small": [1]})
        kept, read = await payloads.put(large)
        assert (kept, large) == await payloads.put(large) == (kept, read)
        assert len(str(kept)) < 200
        assert await payloads.get([kept, 1]) == [large, 1]

    asyncio.run(main())

    assert len(list((tmp_path / "results").iterdir())) == 1


class Remote(FunctionExecutor):
    """Jobs on another machine, which know nothing of the engine that began them."""

    outlives = True


@pytest.mark.slow
def test_an_engine_that_lost_its_lease_leaves_a_job_that_outlives_it_to_who_has_it(
    tmp_path: Path,
) -> None:
    """Another goes on with it; stopped, it would have to be done again."""

    async def main() -> None:
        started, go_on = asyncio.Event(), asyncio.Event()

        async def hangs(work: executor.Work) -> str:
            started.set()
            await go_on.wait()
            return work.ref.step

        doer = Remote(hangs, clock=SystemClock())
        path = tmp_path / "store.sqlite"
        async with open_sqlite(path) as first, open_sqlite(path) as second:
            asleep, other = (
                EmbeddedEngine(stores, {"shell": doer}, tmp_path, settings=settings)
                for stores, settings in ((first, QUICK), (second, PATIENT))
            )
            renewer, never = asleep._loops._renewer, asyncio.Event()
            renewer.run = never.wait  # type: ignore[method-assign,assignment]
            asleep._loops._take_up = never.wait  # type: ignore[method-assign]
            async with asleep.working():
                run, _ = await asleep.submit(request(PIPELINE))
                await started.wait()
                async with other.working():
                    while not other._attempts.held:
                        await asyncio.sleep(0.01)
                    await renewer._renew(asyncio.get_running_loop())
                    await asyncio.sleep(0.05)
                    go_on.set()
                    ended = await asyncio.wait_for(other.wait("t", run), 60)
            history = [type(each) for _, each in await second.archive.history("t", run)]
        assert ended.state is states.RunState.SUCCEEDED
        assert event.AttemptLost not in history
        assert set(doer.begun.values()) == {1}

    asyncio.run(main())


class Looking(FunctionExecutor):
    """Notes what the store knows of a job when that is begun."""

    def __init__(self, path: Path) -> None:
        super().__init__(clock=SystemClock())
        self.path = path
        self.known: list[tuple[str | None, executor.JobHandle]] = []

    async def submit(self, work: executor.Work, handle: executor.JobHandle) -> None:
        with closing(sqlite3.connect(self.path)) as db:
            (kept,) = db.execute("SELECT handle FROM attempt WHERE key = ?", (work.key,)).fetchone()
        self.known.append((kept, handle))
        await super().submit(work, handle)


def test_the_handle_of_a_job_is_kept_before_the_job_is_begun(tmp_path: Path) -> None:
    """So no crash leaves a job that nobody can find."""
    path = tmp_path / "store.sqlite"
    doer = Looking(path)

    async def main() -> None:
        async with open_sqlite(path) as stores:
            engine = EmbeddedEngine(stores, {"shell": doer}, tmp_path)
            async with engine.working():
                run, _ = await engine.submit(request(PIPELINE))
                await asyncio.wait_for(engine.wait("t", run), 60)

    asyncio.run(main())

    assert len(doer.known) == 2
    for kept, handle in doer.known:
        assert kept is not None
        assert json.loads(kept)["name"] == handle.name


CHAIN = Pipeline.build(
    "chain", steps=steps(s0={}, **{f"s{n}": {"needs": [f"s{n - 1}"]} for n in range(1, 20)})
)


def test_a_chain_of_steps_takes_one_commit_for_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The success of a step and the begin of the next share one wait for the disk."""
    commits: list[str] = []
    points = Failpoints()
    monkeypatch.setattr(points, "cross", commits.append)

    async def main() -> None:
        doer = FunctionExecutor(clock=SystemClock())
        slow = EngineSettings(poll=timedelta(seconds=30))
        async with open_sqlite(tmp_path / "s", failpoints=points) as stores:
            engine = EmbeddedEngine(stores, {"shell": doer}, tmp_path, settings=slow)
            async with engine.working():
                run, _ = await engine.submit(request(CHAIN))
                ended = await asyncio.wait_for(engine.wait("t", run), 60)
                assert ended.state is states.RunState.SUCCEEDED

    asyncio.run(main())
    assert commits.count("store.commit.after") <= 20 + 10


def test_a_run_that_goes_on_does_not_keep_others_from_their_turn(tmp_path: Path) -> None:
    """With one slot, the first step of the second run comes before the second of the first."""
    order: list[str] = []

    async def main() -> None:
        both = asyncio.Event()

        async def noted(work: executor.Work) -> None:
            order.append(f"{work.run}/{work.ref.step}")
            await both.wait()

        one = EngineSettings(slots=1)
        async with open_engine(tmp_path, noted, one) as (engine, _, _), engine.working():
            first, _ = await engine.submit(request(PIPELINE, key="first"))
            while not order:
                await asyncio.sleep(0.01)
            second, _ = await engine.submit(request(PIPELINE, key="second"))
            while (await engine.state("t", second)).state is states.RunState.QUEUED:
                await asyncio.sleep(0.01)
            both.set()
            for run in (first, second):
                await asyncio.wait_for(engine.wait("t", run), 60)
        assert order[:3] == [f"{first}/a", f"{second}/a", f"{first}/b"]

    asyncio.run(main())


class Telling(FunctionExecutor):
    """Tells of the first job that is named, which is before it is submitted."""

    def __init__(self) -> None:
        super().__init__(clock=SystemClock())
        self.named = asyncio.Event()

    def handle(self, work: executor.Work) -> executor.JobHandle:
        self.named.set()
        return super().handle(work)


def test_an_engine_that_stops_before_a_job_is_submitted_hands_it_back(tmp_path: Path) -> None:
    """What was begun in the store only is put up again; nobody has to wait for a lease to run out."""

    async def main() -> None:
        async with open_sqlite(tmp_path / "s") as stores:
            doer = Telling()
            engine = EmbeddedEngine(stores, {"shell": doer}, tmp_path)
            async with engine.working():
                run, _ = await engine.submit(request(PIPELINE))
                await doer.named.wait()
            assert not doer.begun
            history = [happened for _, happened in await stores.archive.history("t", run)]
            assert isinstance(history[-1], event.AttemptReturned)
            other = FunctionExecutor(clock=SystemClock())
            engine = EmbeddedEngine(stores, {"shell": other}, tmp_path)
            async with engine.working():
                ended = await asyncio.wait_for(engine.wait("t", run), 60)
        assert ended.state is states.RunState.SUCCEEDED
        assert other.begun == {f"{run}/a": 1, f"{run}/b": 1}

    asyncio.run(main())
