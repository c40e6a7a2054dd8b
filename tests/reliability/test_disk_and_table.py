"""The disk is full, the table cannot be written, two work on it at once: nothing is lost or doubled."""

import asyncio
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from random import Random

import pyarrow as pa
import pytest

from penstock import ingest
from penstock.table import DeltaLakeTable
from penstock.telemetry import HealthState
from tests.ingest import whole_pipeline
from tests.ingest.kills import KillServer, exactly_once
from tests.ingest.workplace import Workplace
from tests.reliability.followers import following

pytestmark = pytest.mark.slow
_PROGRAMS = "tests.reliability.programs"
_FILES = 8
_CONFIG_OF_TWO = """\
pipelines:
  {name}:
    sources: {{main: {{path: in/{name}, settle_secs: 0}}}}
    schema: {{fields: [{{name: {fields}}}]}}
    sink: {{table_uri: {name}}}
"""


@pytest.fixture(scope="module")
def server() -> Iterator[KillServer]:
    server = KillServer(_PROGRAMS)
    yield server
    server.close()


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    made = Workplace(tmp_path)
    for number in range(_FILES):
        made.put(f"{number}.ndjson.gz", [number])
    return made


def run(server: KillServer, program: str, root: Path) -> None:
    """Run a program of `programs`; it must come to its end as it says."""
    assert server.run(f"{_PROGRAMS}:{program}", root, "", 0, 0.0) == 0


@pytest.fixture
def small_disk(place: Workplace) -> Iterator[Path]:
    """2 MiB for the table, and a file that takes them all."""
    lake = place.root / "lake"
    lake.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", lake], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("only root can make a small disk; the limit on file sizes stands for it")
    filler = lake / "filler"
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass
    yield filler
    subprocess.run(["umount", "--lazy", lake], check=True)


@pytest.mark.case("ix")
def test_a_full_disk_is_waited_for(place: Workplace, small_disk: Path) -> None:
    """Not ready, nothing skipped, nothing dead; the same program goes on when there is room."""

    async def follow() -> None:
        async with following(place) as follower:
            await follower.until(lambda: follower.health is HealthState.BACKING_OFF)
            assert follower.figures.files_processed == 0
            small_disk.unlink()
            await follower.until_files(_FILES)

    asyncio.run(follow())

    assert place.rows() == list(range(_FILES))
    assert not list(ingest.dead_letters(place.config))


@pytest.mark.case("ix")
def test_a_disk_that_fills_half_way_costs_nothing(server: KillServer, place: Workplace) -> None:
    """Neither the table nor local state can be written: the run ends with an error, the next goes on."""
    run(server, "run_where_the_disk_is_full", place.root)
    assert place.rows() == [0, 1]

    run(server, "run", place.root)

    assert place.rows() == list(range(_FILES))
    assert not list(ingest.dead_letters(place.config))


@pytest.mark.case("xi")
def test_a_commit_that_fails_is_made_by_the_next_run(server: KillServer, place: Workplace) -> None:
    """The first run ends with an error, and counts nothing as done that is not in the table."""
    run(server, "run_where_commits_fail", place.root)
    assert len(place.rows()) == 2

    run(server, "run", place.root)

    assert place.rows() == list(range(_FILES))


@pytest.mark.case("xi")
def test_a_commit_that_fails_for_a_while_is_made_in_the_end(
    server: KillServer, place: Workplace
) -> None:
    run(server, "run_where_commits_fail_for_a_while", place.root)

    assert place.rows() == list(range(_FILES))


@pytest.mark.case("answer")
def test_a_commit_that_landed_without_an_answer_is_not_repeated(
    server: KillServer, place: Workplace
) -> None:
    """A blind repeat would double its rows."""
    run(server, "run_where_answers_are_lost", place.root)

    assert place.rows() == list(range(_FILES))


@pytest.mark.case("x")
@pytest.mark.case("k18")
def test_two_processes_on_one_table_do_the_work_once(server: KillServer, tmp_path: Path) -> None:
    """Started at once on a table that is not there yet, with one pipeline's key; both end well."""
    expected = whole_pipeline.make_source(tmp_path, Random(5), 20)
    other = KillServer(_PROGRAMS)
    ends: list[int] = []
    threads = [
        threading.Thread(target=lambda s=one: ends.append(s.run(f"{_PROGRAMS}:run", tmp_path, "", 0, 0.0)))
        for one in (server, other)
    ]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.close()

    assert ends == [0, 0]
    exactly_once(whole_pipeline.stored(tmp_path), expected)


@pytest.mark.case("exit")
def test_a_failed_pipeline_is_told_by_the_exit_code_and_harms_no_other(tmp_path: Path) -> None:
    """The table of one is not what its schema says."""
    for name, fields in (("p", "id, type: int64"), ("q", "id, type: string")):
        config = _CONFIG_OF_TWO.format(name=name, fields=fields)
        (tmp_path / f"{name}.yaml").write_text(config)
        source = tmp_path / "in" / name
        source.mkdir(parents=True)
        (source / "a.ndjson").write_bytes(b'{"id": 1}\n')
    DeltaLakeTable(str(tmp_path / "q")).create(pa.schema([("id", pa.int64())]))

    report = ingest.run(tmp_path)

    assert report.exit_code == 1
    assert {x.pipeline: x.ended for x in report.pipelines} == {"p": "completed", "q": "failed"}
    assert DeltaLakeTable(str(tmp_path / "p")).rows().to_pylist() == [{"id": 1}]
