"""The conformance suite of stores sees what it is there for: planted faults make it fail."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from penstock.store import open_sqlite
from penstock.store._queue import SqliteQueue
from penstock.store._runs import SqliteRuns
from penstock.testing import FakeClock, StoreConformance
from penstock.workflow import domain, event, executor, store


class Unfenced(SqliteRuns):
    """Takes the report of whoever held the lease once."""

    async def apply(
        self,
        run: store.StoredRun,
        event: event.Event,
        decision: domain.Decision,
        *,
        lease: store.Lease | None = None,
        result: Any = None,
        artifacts: Sequence[executor.Artifact] = (),
    ) -> None:
        await super().apply(run, event, decision, result=result, artifacts=artifacts)


class Counting(SqliteQueue):
    """Keeps a count of the attempts at work in place of counting leases; nobody takes from it."""

    at_work = 0

    async def claim(self, worker: str, *, limit: int, lease: Any) -> list[store.Lease]:
        room = max(0, 2 - self.at_work)
        found = await super().claim(worker, limit=min(limit, room), lease=lease)
        self.at_work += len(found)
        return list(found)


class Forgetful(SqliteRuns):
    """Keeps the change, and the events of it in a second transaction that never comes."""

    async def apply(
        self,
        run: store.StoredRun,
        event: event.Event,
        decision: domain.Decision,
        **options: Any,
    ) -> None:
        await super().apply(run, event, decision._replace(events=()), **options)


def unfenced(stores: store.Stores) -> store.Stores:
    kept: Any = stores.runs
    return replace(stores, runs=Unfenced(kept._database, kept._versions))


def counting(stores: store.Stores) -> store.Stores:
    kept: Any = stores.queue
    return replace(stores, queue=Counting(kept._database))


def forgetful(stores: store.Stores) -> store.Stores:
    kept: Any = stores.runs
    return replace(stores, runs=Forgetful(kept._database, kept._versions))


class Planted(StoreConformance):
    """SQLite with a fault."""

    __test__ = False

    def __init__(self, path: Path, plant: Callable[[store.Stores], store.Stores]) -> None:
        self._path = path
        self._plant = plant

    def open_stores(self, clock: FakeClock) -> AbstractAsyncContextManager[store.Stores]:
        return self._opened(clock)

    @asynccontextmanager
    async def _opened(self, clock: FakeClock) -> AsyncIterator[store.Stores]:
        async with open_sqlite(self._path / "s", clock=clock) as stores:
            yield self._plant(stores)


@pytest.mark.parametrize(
    ("plant", "case"),
    [
        (unfenced, "test_a_lease_that_was_lost_changes_nothing"),
        (counting, "test_no_more_attempts_of_a_run_are_leased_than_it_allows"),
        (forgetful, "test_events_are_kept_with_their_change_and_read_in_order"),
    ],
)
def test_a_planted_fault_is_caught(
    tmp_path: Path, plant: Callable[[store.Stores], store.Stores], case: str
) -> None:
    """Without a fence, with a counter that leaks, with events outside of the transaction."""
    with pytest.raises(AssertionError):
        getattr(Planted(tmp_path, plant), case)()
