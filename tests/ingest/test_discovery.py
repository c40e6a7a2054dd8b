"""Which files are found, and when they count as finished."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from penstock.ingest._discovery import Discovery
from penstock.storage import LocalStore, open_store

NOW = datetime(2024, 1, 1, tzinfo=UTC)


class SteppedClock:
    """Moves when it is told to."""

    def __init__(self) -> None:
        self.passed = 0.0

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.passed)

    def monotonic(self) -> float:
        return self.passed

    async def sleep(self, seconds: float) -> None:
        self.passed += seconds


def write(root: Path, name: str, *, age: float, data: bytes = b"x") -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.utime(path, (NOW.timestamp() - age,) * 2)


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
def discovery(tmp_path: Path, clock: SteppedClock) -> Discovery:
    return Discovery({"main": LocalStore(tmp_path)}, clock=clock, settle=timedelta(seconds=2))


def test_a_directory_that_is_not_there_yet_is_named(tmp_path: Path, clock: SteppedClock) -> None:
    """It may be made later; more often its name is mistyped."""
    stores = {"here": LocalStore(tmp_path), "there": LocalStore(tmp_path / "mistyped")}
    looking = Discovery(stores, clock=clock, settle=timedelta(0))

    assert list(looking.absent()) == [("there", str(tmp_path / "mistyped"))]
    assert looking.look().files == ()


def names(discovery: Discovery) -> list[str]:
    return [file.name for file in discovery.look().files]


@pytest.mark.case("k12")
def test_known_endings_are_found_in_order_and_hidden_parts_never(
    tmp_path: Path, discovery: Discovery
) -> None:
    """Packed or not, in any case; an underscore or a dot hides a file or a whole folder."""
    wanted = ["a/b.json", "a/c.ndjson.gz", "d.jsonl.zst", "e.JSON.GZ", "f.jsonl"]
    for name in [
        *wanted,
        "_x/a.json",
        ".x/a.json",
        "a/_b.json",
        "a/.c.json",
        "g.csv",
        "h.json.bz2",
    ]:
        write(tmp_path, name, age=100)

    assert names(discovery) == sorted(wanted)


def test_a_young_file_is_found_when_it_has_stood_still(
    tmp_path: Path, discovery: Discovery, clock: SteppedClock
) -> None:
    """It may still be written to."""
    write(tmp_path, "a.json", age=0.5)

    first = discovery.look()
    clock.passed = 1.5

    assert (first.files, first.young) == ((), 1)
    assert names(discovery) == ["a.json"]


def test_a_file_that_grows_is_not_found(
    tmp_path: Path, discovery: Discovery, clock: SteppedClock
) -> None:
    """Each change starts the wait again, also under a clock that is ahead of the file server's."""
    for second in range(5):
        clock.passed = float(second)
        write(tmp_path, "a.json", age=-1000, data=b"x" * (second + 1))
        assert discovery.look().young == 1

    clock.passed += 2.0

    assert names(discovery) == ["a.json"]


def test_a_file_from_the_future_is_found_when_it_was_seen_to_stand_still(
    tmp_path: Path, discovery: Discovery, clock: SteppedClock
) -> None:
    """A wrong clock must not hide a file for ever."""
    write(tmp_path, "a.json", age=-1000)

    assert names(discovery) == []
    clock.passed = 2.0
    assert names(discovery) == ["a.json"]


def test_without_a_wait_every_file_is_found_at_once(tmp_path: Path, clock: SteppedClock) -> None:
    """For writers that rename finished files into place."""
    write(tmp_path, "a.json", age=-1000)
    discovery = Discovery({"main": LocalStore(tmp_path)}, clock=clock, settle=timedelta(0))

    assert names(discovery) == ["a.json"]


def test_objects_in_a_bucket_are_at_rest(clock: SteppedClock) -> None:
    """They appear whole."""
    store = open_store("memory://bucket/in")
    store.put("a.json", b"x")
    discovery = Discovery({"main": store}, clock=clock, settle=timedelta(hours=1))

    assert names(discovery) == ["a.json"]


@pytest.mark.case("k12")
def test_a_source_that_is_not_there_yet_has_no_files(tmp_path: Path, clock: SteppedClock) -> None:
    """It may be made later; the other sources are read."""
    write(tmp_path, "b/a.json", age=100)
    sources = {"a": LocalStore(tmp_path / "none"), "b": LocalStore(tmp_path / "b")}
    found = Discovery(sources, clock=clock, settle=timedelta(0)).look().files

    assert [(file.source, file.name) for file in found] == [("b", "a.json")]
