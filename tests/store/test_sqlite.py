"""SQLite as a store: the conformance suite, and what is special about one file on a disk."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from penstock.base import FailpointError, Failpoints
from penstock.store import NewerStoreError, StoreUnavailableError, open_sqlite
from penstock.testing import FakeClock, StoreConformance
from penstock.workflow import Pipeline, RunRecord, decide, event, store


class TestSqlite(StoreConformance):
    @pytest.fixture(autouse=True)
    def place(self, tmp_path: Path) -> None:
        self.path = tmp_path / "store.sqlite"

    def open_stores(self, clock: FakeClock) -> AbstractAsyncContextManager[store.Stores]:
        return open_sqlite(self.path, clock=clock)


PIPELINE = Pipeline.build("p", steps={"a": {"shell": {"command": "true"}}})


async def create(stores: store.Stores, run: str) -> bool:
    initial = RunRecord.new(run, PIPELINE.graph)
    decision = decide(initial, event.Submitted(), FakeClock().now())
    return await stores.runs.create(store.StoredRun("t", initial, PIPELINE, {}, run), decision)


async def create_many(stores: store.Stores, count: int) -> None:
    for number in range(count):
        await create(stores, f"s{number}")


@asynccontextmanager
async def opened(path: Path, text: str = "") -> AsyncIterator[store.Stores]:
    async with open_sqlite(path / "s", clock=FakeClock(), failpoints=Failpoints.parse(text)) as s:
        yield s


def test_changes_asked_for_together_share_one_commit(tmp_path: Path) -> None:
    """One wait for the disk for all of them; that is what makes many runs at once fast."""
    asked = threading.Event()

    def hold(_: str) -> None:
        asked.wait(60)

    points = Failpoints({("store.commit.before", 1): hold})

    async def main() -> None:
        async with open_sqlite(tmp_path / "s", clock=FakeClock(), failpoints=points) as stores:
            doing = [asyncio.create_task(create(stores, f"r{n}")) for n in range(100)]
            asyncio.get_running_loop().call_soon(asked.set)  # behind the first step of each
            assert all(await asyncio.gather(*doing))

    asyncio.run(main())

    assert points.crossings["store.commit.after"] <= 2


def test_a_change_that_fails_leaves_those_beside_it_alone(tmp_path: Path) -> None:
    """They share a commit, and nothing else."""

    async def main() -> None:
        async with opened(tmp_path) as stores:
            await create(stores, "r")
            stale = await stores.runs.load("t", "r")
            decision = decide(stale.record, event.Admitted(), FakeClock().now())
            doing = [stores.runs.apply(stale, event.Admitted(), decision) for _ in range(5)]
            ended = await asyncio.gather(*doing, create(stores, "s"), return_exceptions=True)

            refused = [error for error in ended if isinstance(error, store.ConflictError)]
            assert len(refused) == 4
            assert ended[-1] is True
            assert len(await stores.runs.open_runs()) == 2

    asyncio.run(main())


def breaks(db: sqlite3.Connection, _: int) -> None:
    """A change that fails half-way."""
    db.execute("INSERT INTO consumer VALUES ('half', 1)")
    raise LookupError("half way")


def test_a_change_that_fails_half_way_leaves_nothing_behind(tmp_path: Path) -> None:
    """What it had written by then is undone, and the next one is kept."""

    async def main() -> None:
        async with opened(tmp_path) as stores:
            database = stores.runs._database  # type: ignore[attr-defined]
            with pytest.raises(LookupError, match="half way"):
                await database.write(breaks)
            assert await stores.outbox.cursor("half") == 0
            assert await create(stores, "r")

    asyncio.run(main())


def test_those_that_share_its_commit_are_kept_once(tmp_path: Path) -> None:
    """Before it and behind it; nothing of it is kept, though all were done again."""

    async def main() -> None:
        async with opened(tmp_path) as stores:
            database = stores.runs._database  # type: ignore[attr-defined]
            gate = threading.Event()
            first = asyncio.create_task(database.write(lambda _, __: gate.wait()))
            await asyncio.sleep(0)
            names = [f"r{number}" for number in range(4)]
            doing = [create(stores, name) for name in names]
            doing[2:2] = [database.write(breaks), database.write(breaks)]
            beside = [asyncio.ensure_future(each) for each in doing]
            await asyncio.sleep(0)
            gate.set()
            ended = await asyncio.gather(*beside, return_exceptions=True)
            await first

            assert [type(each) for each in ended] == [
                bool,
                bool,
                LookupError,
                LookupError,
                bool,
                bool,
            ]
            assert await stores.outbox.cursor("half") == 0
            assert [each.record.run for each in await stores.runs.open_runs()] == names
            assert len(await stores.outbox.read(after=0, limit=99)) == len(names)

    asyncio.run(main())


def test_a_commit_that_fails_keeps_nothing_and_says_so(tmp_path: Path) -> None:
    """The caller hears of it, and the store works on."""

    async def main() -> None:
        async with opened(tmp_path, "store.commit.before@1=error") as stores:
            with pytest.raises(FailpointError):
                await create(stores, "r")
            assert await stores.runs.open_runs() == []
            assert await create(stores, "r")

    asyncio.run(main())


def test_a_full_disk_is_an_error_and_no_damage(tmp_path: Path) -> None:
    """SQLite itself refuses to grow here; what was kept before is there."""

    async def main() -> None:
        async with opened(tmp_path) as stores:
            await create(stores, "r")
            with sqlite3.connect(tmp_path / "s") as other:
                (pages,) = other.execute("PRAGMA page_count").fetchone()
            other.close()
            database = stores.runs._database  # type: ignore[attr-defined]
            await database.write(lambda db, _: db.execute(f"PRAGMA max_page_count = {pages}"))
            with pytest.raises(StoreUnavailableError, match="full"):
                await create_many(stores, 500)
            await database.write(lambda db, _: db.execute("PRAGMA max_page_count = 100000"))
            assert await create(stores, "again")
            assert (await stores.runs.load("t", "r")).record.state == "QUEUED"

    asyncio.run(main())


def test_the_last_event_cannot_be_deleted(tmp_path: Path) -> None:
    """Its position would be given again, and consumers that are past it would miss what comes."""

    async def main() -> None:
        async with opened(tmp_path) as stores:
            await create_many(stores, 3)
            database = stores.runs._database  # type: ignore[attr-defined]
            await database.write(lambda db, _: db.execute("DELETE FROM journal WHERE position < 3"))
            for condition in ("position = 3", "TRUE"):
                delete = f"DELETE FROM journal WHERE {condition}"
                with pytest.raises(StoreUnavailableError, match="the last event stays"):
                    await database.write(lambda db, _, text=delete: db.execute(text))
            await create(stores, "later")
            assert [each.position for each in await stores.outbox.read(after=0, limit=9)] == [3, 4]

    asyncio.run(main())


def test_the_time_of_the_store_never_goes_back(tmp_path: Path) -> None:
    """A lease that has run out stays so when the machine's clock is set back."""

    class Jumping(FakeClock):
        offset = 0

        def now(self):  # type: ignore[no-untyped-def]
            return super().now().replace(year=2026 + self.offset)

    async def main() -> None:
        clock = Jumping()
        async with open_sqlite(tmp_path / "s", clock=clock) as stores:
            database = stores.runs._database  # type: ignore[attr-defined]
            clock.offset = 1
            later = await database.write(lambda _, now: now)
            clock.offset = 0
            assert await database.write(lambda _, now: now) == later

    asyncio.run(main())


def test_a_store_of_a_newer_version_is_refused_by_name(tmp_path: Path) -> None:
    """Nothing of it is touched."""

    async def main() -> None:
        async with opened(tmp_path):
            pass
        with sqlite3.connect(tmp_path / "s") as other:
            other.execute("PRAGMA user_version = 99")
        other.close()
        with pytest.raises(NewerStoreError, match="schema 99"):
            async with opened(tmp_path):
                pass

    asyncio.run(main())


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    """With its name, and without a change."""
    (tmp_path / "s").write_text("hello, this is no database" * 100)

    async def main() -> None:
        with pytest.raises(StoreUnavailableError, match="not a database"):
            async with opened(tmp_path):
                pass

    asyncio.run(main())

    assert (tmp_path / "s").read_text().startswith("hello")
