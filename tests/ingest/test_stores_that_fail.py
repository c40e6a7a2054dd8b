"""A failure of a store is not a failure of a file: it is waited for, and nothing is dead."""

import asyncio
from collections.abc import Callable, Mapping
from io import RawIOBase
from pathlib import Path
from typing import Any

import pytest

from penstock import ingest
from penstock.ingest import IngestOptions, IngestPipeline
from penstock.storage import NotFoundError, ObjectStore, StoragePool, StoreUnavailableError
from penstock.testing import FakeClock
from penstock.topology import GlobalConfig, PipelineContext, PipelineError, make_context
from tests.ingest.workplace import Workplace

pytestmark = pytest.mark.slow


class MoodyStore:
    """A real store, and rules of when it fails."""

    def __init__(self, store: ObjectStore, pool: "MoodyPool") -> None:
        self._store = store
        self._pool = pool

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def open(self, key: str, *, version: str | None = None) -> RawIOBase:
        self._pool.opened += 1
        if key in self._pool.gone:
            raise NotFoundError(key)
        if self._pool.sources_fail_once_opened:
            self._pool.sources_down = True
        self._fail(key in self._pool.unreadable or self._pool.sources_down)
        return self._store.open(key, version=version)

    def list(self, prefix: str = "", *, start_after: str = "") -> Any:
        self._fail(self._pool.sources_down)
        return self._store.list(prefix, start_after=start_after)

    def put_file(self, key: str, path: Path) -> None:
        self._fail(self._pool.full > 0)
        self._store.put_file(key, path)

    def _fail(self, now: bool) -> None:
        if now or self._pool.down > 0:
            self._pool.down -= self._pool.down > 0
            self._pool.full -= self._pool.full > 0
            raise StoreUnavailableError(self._store.url, "no answer")


class MoodyPool(StoragePool):
    """Stores that fail together."""

    def __init__(self) -> None:
        super().__init__()
        self.down = 0
        """Calls that fail from now on."""
        self.full = 0
        """Uploads that fail from now on."""
        self.unreadable: set[str] = set()
        """Files that cannot be opened, ever."""
        self.opened = 0
        self.sources_fail_once_opened = False
        """From the first file on that is opened, files can be neither opened nor listed."""
        self.sources_down = False
        self.gone: set[str] = set()
        """Files that are listed, and not there."""

    def open(self, url: str, options: Mapping[str, str] | None = None) -> Any:
        return MoodyStore(super().open(url, options), self)


class Hasty(FakeClock):
    """Every wait is over at once."""

    watch: Callable[[], None] = staticmethod(lambda: None)

    async def sleep(self, seconds: float) -> None:
        self.watch()
        await asyncio.sleep(0)


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    made = Workplace(tmp_path)
    for number in range(4):
        made.put(f"{number}.ndjson.gz", [number])
    return made


def run(place: Workplace, pool: MoodyPool) -> tuple[IngestPipeline, PipelineContext]:
    config = ingest.validate(place.config)
    context = make_context(GlobalConfig(), clock=Hasty(), storage_pool=pool)
    options = IngestOptions(state_dir=config.state_dir, once=True)
    pipeline = IngestPipeline("p", config.pipelines["p"], context, options)
    asyncio.run(pipeline.run())
    return pipeline, context


def test_a_store_that_is_down_for_a_while_costs_nothing_but_time(place: Workplace) -> None:
    pool = MoodyPool()
    pool.down = 4

    pipeline, _ = run(place, pool)

    assert place.rows() == [0, 1, 2, 3]
    assert pipeline.figures.failures == {"read": 0, "decode": 0}


def test_a_full_disk_is_waited_for(place: Workplace) -> None:
    pool = MoodyPool()
    pool.full = 3

    pipeline, _ = run(place, pool)

    assert place.rows() == [0, 1, 2, 3]
    assert pipeline.figures.files_processed == 4


def test_a_store_that_stays_down_ends_a_single_run_and_loses_nothing(place: Workplace) -> None:
    pool = MoodyPool()
    pool.down = 1000

    with pytest.raises(StoreUnavailableError):
        run(place, pool)

    run(place, MoodyPool())
    assert place.rows() == [0, 1, 2, 3]


def test_a_file_that_alone_cannot_be_read_is_dead_when_its_tries_are_spent(
    place: Workplace,
) -> None:
    pool = MoodyPool()
    pool.unreadable = {"2.ndjson.gz"}

    pipeline, _ = run(place, pool)

    assert place.rows() == [0, 1, 3]
    assert pipeline.figures.failures == {"read": 1, "decode": 0}
    [letter] = ingest.dead_letters(place.config)
    assert (letter.name, letter.error_class) == ("2.ndjson.gz", "unreadable")
    assert pool.opened == 3 + 4


def test_a_store_that_goes_down_while_files_are_read_kills_none_of_them(place: Workplace) -> None:
    pool = MoodyPool()
    pool.sources_fail_once_opened = True

    with pytest.raises(StoreUnavailableError):
        run(place, pool)

    assert list(ingest.dead_letters(place.config)) == []
    run(place, MoodyPool())
    assert place.rows() == [0, 1, 2, 3]


def test_a_single_run_does_not_try_for_ever_what_is_listed_and_not_there(place: Workplace) -> None:
    pool = MoodyPool()
    pool.gone = {"2.ndjson.gz"}

    with pytest.raises(PipelineError, match="look for broken links"):
        run(place, pool)

    assert place.rows() == [0, 1, 3]


def test_while_a_store_fails_a_follower_is_not_ready_and_goes_on(place: Workplace) -> None:
    """Its health is looked at in the middle of its wait."""
    pool, clock, seen = MoodyPool(), Hasty(), list[str]()
    pool.down = 20
    config = ingest.validate(place.config)
    context = make_context(GlobalConfig(), clock=clock, storage_pool=pool)

    def look() -> None:
        seen.append(context.health.component("p").state)
        if pool.down == 0:
            context.shutdown.request("test")

    clock.watch = look
    options = IngestOptions(state_dir=config.state_dir)

    asyncio.run(IngestPipeline("p", config.pipelines["p"], context, options).run())

    assert set(seen[:20]) == {"backing off"}
    assert pool.down == 0
