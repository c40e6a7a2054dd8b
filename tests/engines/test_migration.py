"""Stores of earlier releases, with runs in flight: brought forward when they are opened, and finished."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from penstock.store import NewerStoreError, StoreUnavailableError, open_sqlite
from penstock.store._database import micros
from penstock.store._schema import MIGRATIONS
from penstock.workflow import codec, executor, states
from tests.engines.killed_engine import read_all
from tests.engines.test_embedded import QUICK, open_engine

STORES = Path(__file__).parent / "stores"
EARLIER = [path.stem for path in sorted(STORES.glob("schema_*.sql"))]


def restore(name: str, path: Path) -> None:
    """Make the file as that release left it when it was killed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as db:
        db.executescript((STORES / f"{name}.sql").read_text())


def version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as db:
        (found,) = db.execute("PRAGMA user_version").fetchone()
    return int(found)


def test_there_is_a_store_of_every_earlier_schema() -> None:
    """A new schema comes with a store of the one before it, made by the release that had it."""
    assert [f"schema_{number}" for number in range(1, len(MIGRATIONS))] == EARLIER


@pytest.mark.parametrize("name", EARLIER)
def test_runs_of_an_earlier_release_are_finished_by_this_one(tmp_path: Path, name: str) -> None:
    """One at work, one that waits to be tried again, a map half-way, and one that waits for it."""
    restore(name, tmp_path / "store.sqlite")
    done: set[str] = set()

    async def work(work: executor.Work) -> str:
        done.add(work.key)
        return work.ref.step

    async def main() -> None:
        async with open_engine(tmp_path, work, QUICK) as (engine, stores, _):
            before = await stores.archive.runs("t")
            opened = {each.run_key for each in before if not each.state.final}
            assert opened == {"working", "retrying", "mapping", "queued"}
            ended_before = len(await read_all(stores))
            async with engine.working():
                for each in before:
                    ended = await asyncio.wait_for(engine.wait("t", each.run), 60)
                    assert ended.state is states.RunState.SUCCEEDED
            told = await read_all(stores)
            assert len(told) > ended_before
            for each in before:
                own = [seen.event.seq for seen in told if seen.run == each.run]
                assert own == list(range(1, len(own) + 1)), "an event was lost or doubled"
            kinds = {each.state for each in await stores.archive.versions("t", "chain")}
            assert kinds == {states.VersionState.VALIDATED}
            runs = {each.run_key: each.run for each in before}
        again = {key for key in done if key.startswith(runs["done"])}
        assert not again, "what had ended was done again"
        assert f"{runs['mapping']}/each/0" not in done
        assert {f"{runs['mapping']}/each/{item}" for item in (2, 3, 4)} < done

    asyncio.run(main())

    assert version(tmp_path / "store.sqlite") == len(MIGRATIONS)


@pytest.mark.parametrize("name", EARLIER)
def test_what_an_earlier_release_kept_is_read_in_its_order(tmp_path: Path, name: str) -> None:
    """Events at the positions that consumers know, and the history that led to them."""
    path = tmp_path / "store.sqlite"
    restore(name, path)
    with closing(sqlite3.connect(path)) as db:
        told = db.execute("SELECT position, run, seq FROM outbox ORDER BY position").fetchall()
        kept = db.execute("SELECT run, at, event FROM history ORDER BY run, number").fetchall()

    async def main() -> None:
        async with open_sqlite(path) as stores:
            read = [(each.position, each.run, each.event.seq) for each in await read_all(stores)]
            assert read == told
            assert await stores.outbox.end() == told[-1][0]
            for run in {run for _, run, _ in told}:
                own = [each.event.seq for each in await stores.archive.events("t", run)]
                assert own == [seq for _, of, seq in told if of == run]
            found = [
                (run, micros(at), codec.encode_event(happened))
                for run in sorted({run for run, _, _ in kept})
                for at, happened in await stores.archive.history("t", run)
            ]
            assert found == kept

    asyncio.run(main())


@pytest.mark.parametrize("name", EARLIER)
def test_a_migration_that_breaks_off_leaves_the_store_as_it_was(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next opening begins it anew."""
    path = tmp_path / "store.sqlite"
    restore(name, path)
    before = version(path)
    broken = (*MIGRATIONS[:before], f"{MIGRATIONS[before]};\nINSERT INTO nowhere VALUES (1);\n")
    monkeypatch.setattr("penstock.store._schema.MIGRATIONS", broken)

    async def opened() -> None:
        async with open_sqlite(path):
            pass

    with pytest.raises(StoreUnavailableError, match="nowhere"):
        asyncio.run(opened())
    assert version(path) == before
    monkeypatch.undo()
    asyncio.run(opened())
    assert version(path) == len(MIGRATIONS)


def test_an_earlier_release_refuses_a_store_of_this_one_and_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says which it found, which it knows, and what to use."""
    path = tmp_path / "store.sqlite"

    async def opened() -> None:
        async with open_sqlite(path):
            pass

    asyncio.run(opened())
    kept = path.read_bytes()
    monkeypatch.setattr("penstock.store._schema.MIGRATIONS", MIGRATIONS[:-1])

    with pytest.raises(NewerStoreError, match="has schema 4, and this version knows up to 3; use"):
        asyncio.run(opened())
    assert path.read_bytes() == kept
