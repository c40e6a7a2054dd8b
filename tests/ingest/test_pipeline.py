"""From files to rows through everything there is: the pipeline as users run it."""

import asyncio
import gzip
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from penstock import ingest
from penstock.base import Failpoints
from penstock.storage import StoragePool
from penstock.testing import FakeClock
from penstock.topology import make_context
from tests.ingest.workplace import Workplace

pytestmark = pytest.mark.slow


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    return Workplace(tmp_path)


def run(place: Workplace) -> ingest.PipelineReport:
    """Ingest what is there; it must end well."""
    report = ingest.run(place.config)
    assert report.exit_code == 0, report
    return report.pipelines[0]


@pytest.mark.case("k11")
def test_every_row_of_every_file_is_in_the_table_once_however_often_it_is_run(
    place: Workplace,
) -> None:
    for number in range(5):
        place.put(f"sub/{number}.ndjson.gz", range(number * 10, number * 10 + 10))

    first = run(place).figures
    second = run(place).figures

    assert place.rows() == list(range(50))
    assert (first.files_processed, first.records_processed, first.plans) == (5, 50, 3)
    assert second.files_processed == second.records_processed == second.plans == 0


def test_a_new_file_whose_name_sorts_first_is_read(place: Workplace) -> None:
    place.put("b.ndjson.gz", [1])
    run(place)
    place.put("a.ndjson.gz", [2])

    run(place)

    assert place.rows() == [1, 2]


def test_the_figures_add_up(place: Workplace) -> None:
    place.put("a.ndjson.gz", range(10), "nonsense", '{"id": 1.5}')
    place.put("b.ndjson.gz", range(10, 20))
    whole = gzip.compress(b'{"id": 99}\n' * 1000)
    place.put_bytes("c.ndjson.gz", whole[: len(whole) // 2])

    figures = run(place).figures

    assert figures.files_processed + figures.failures["read"] == 3
    assert figures.records_processed == len(place.rows()) == 20
    assert figures.failures == {"read": 1, "decode": 2}
    parts = list((place.root / "lake/t").glob("*.parquet"))
    assert figures.parquet_files_written == len(parts)
    assert figures.bytes_written == sum(part.stat().st_size for part in parts)


def test_what_has_no_column_is_rescued_into_the_table(place: Workplace) -> None:
    """The rescue column is in the table and in its Parquet files, and such lines are no dead letters."""
    place.configure(schema="rescue: _rescued, ")
    place.put("a.ndjson.gz", [1], '{"id": 2, "v": 3, "new": {"x": 1}}', '{"id": "4"}')

    figures = run(place).figures

    table = DeltaTable(str(place.root / "lake/t")).to_pyarrow_table()
    assert table.sort_by("id").to_pylist() == [
        {"id": 1, "v": "000001", "_rescued": None},
        {"id": 2, "v": None, "_rescued": '{"v":3,"new":{"x": 1}}'},
    ]
    assert figures.failures["decode"] == 1  # `id` may not be null


def test_leniencies_of_the_schema_reach_the_lines(place: Workplace) -> None:
    """The limit of a line's length too, which is kept while a file is read, before any decoder sees it."""
    place.configure(schema="options: {quoted_numbers: read, max_line_bytes: 100}, ")
    place.put("a.ndjson.gz", [1], '{"id": "2"}', '{"id": 3, "v": "' + "x" * 100 + '"}')
    place.put("b.ndjson.gz", [], '{"id": 4, "v": "' + "x" * 5_000_000 + '"}', '{"id": "5"}')

    run(place)

    assert place.rows() == [1, 2, 5]
    letters = [(one.line, one.error_class) for one in ingest.dead_letters(place.config)]
    assert sorted(letters) == [(1, "too-long"), (3, "too-long")]


def test_dead_letters_say_where_and_why(place: Workplace) -> None:
    place.put("a.ndjson.gz", [1], '{"id": "2"}')
    place.put_bytes("b.ndjson.gz", b"not gzip")
    run(place)

    line, file = sorted(ingest.dead_letters(place.config), key=lambda letter: letter.name)

    assert (line.source, line.name, line.line, line.error_class) == (
        "main",
        "a.ndjson.gz",
        2,
        "type",
    )
    assert line.column == "id"
    assert line.raw == b'{"id": "2"}'
    assert (file.name, file.line, file.error_class) == ("b.ndjson.gz", 0, "not-compressed")


def test_a_bad_line_costs_the_file_where_that_is_asked_for(place: Workplace) -> None:
    place.configure(bad_lines="file")
    place.put("a.ndjson.gz", [1, 2], "nonsense")
    place.put("b.ndjson.gz", [3])

    figures = run(place).figures

    assert place.rows() == [3]
    assert figures.failures == {"read": 1, "decode": 0}


def test_the_state_of_every_file_is_told(place: Workplace) -> None:
    place.put("a.ndjson.gz", [1])
    place.put_bytes("b.ndjson.gz", b"not gzip")
    place.put("c.ndjson.gz", [2], "nonsense")
    run(place)
    place.put("a.ndjson.gz", [1, 5])
    place.put("d.ndjson.gz", [7])
    (place.root / "in/c.ndjson.gz").unlink()

    states = {row.name: (row.state, row.rows, row.dead_lines) for row in ingest.files(place.config)}

    assert states == {
        "a.ndjson.gz": ("changed", 1, 0),
        "b.ndjson.gz": ("dead", 0, 0),
        "c.ndjson.gz": ("committed", 1, 1),
        "d.ndjson.gz": ("pending", 0, 0),
    }


def test_new_content_under_a_taken_name_is_not_read(place: Workplace) -> None:
    place.put("a.ndjson.gz", [1])
    run(place)
    place.put("a.ndjson.gz", [1, 2])

    assert run(place).figures.files_processed == 0
    assert place.rows() == [1]


@pytest.mark.case("k27")
def test_too_many_failures_stop_with_3_behind_the_plan_that_reached_the_limit(
    place: Workplace,
) -> None:
    """What was planned is still committed, with its dead letters; nothing is planned after it."""
    place.configure(max_failures=2)
    for number in range(6):
        place.put(f"{number}.ndjson.gz", [number], "nonsense")

    report = ingest.run(place.config)

    assert report.exit_code == 3
    assert "max_failures is 2" in report.pipelines[0].message
    assert place.rows() == [0, 1]
    assert len(list(ingest.dead_letters(place.config))) == 2


def test_a_file_that_alone_cannot_be_read_is_dead_and_stops_nobody(place: Workplace) -> None:
    place.put("a.ndjson.gz", [1])
    (place.root / "in/b.ndjson.gz").symlink_to("/proc/self/mem")

    run(place)

    assert place.rows() == [1]


def test_a_damaged_ledger_stops_with_5_and_says_how_to_go_on(place: Workplace) -> None:
    place.put("a.ndjson.gz", [1])
    run(place)
    for plan in (place.root / "lake/t/_penstock").rglob("plans/*"):
        plan.unlink()

    report = ingest.run(place.config)

    assert report.exit_code == 5
    assert "restore the folder _penstock" in report.pipelines[0].message


def test_a_failure_of_the_program_between_two_steps_is_overcome_by_the_next_start(
    place: Workplace,
) -> None:
    for number in range(4):
        place.put(f"{number}.ndjson.gz", [number])
    broken = Failpoints.parse("commit.after@1=error")

    first = ingest.run(place.config, failpoints=broken)
    run(place)

    assert first.exit_code == 1
    assert place.rows() == [0, 1, 2, 3]


def test_nothing_is_left_in_the_local_state(place: Workplace) -> None:
    place.put("a.ndjson.gz", range(100))

    run(place)

    assert [path for path in (place.root / ".penstock").rglob("*") if path.is_file()] == []


def test_a_single_run_waits_for_files_that_may_still_be_written_to(place: Workplace) -> None:
    text = place.config.read_text().replace("settle_secs: 0", "settle_secs: 0.3")
    place.config.write_text(text)
    place.put("a.ndjson.gz", [1])

    run(place)

    assert place.rows() == [1]


def test_rows_stand_in_the_order_of_the_plan_however_the_threads_run(place: Workplace) -> None:
    """The first file is the slowest by far; repeated work must give the same Parquet file."""
    place.configure(max_files=9)
    place.put("0.ndjson.gz", range(20_000))
    for number in range(1, 5):
        place.put(f"{number}.ndjson.gz", [100_000 + number])

    run(place)

    [part] = (place.root / "lake/t").glob("*.parquet")
    ids = pq.read_table(part).column("id").to_pylist()
    assert ids == [*range(20_000), 100_001, 100_002, 100_003, 100_004]


@pytest.mark.case("k07")
def test_only_recent_prefixes_are_read_where_that_is_asked_for(place: Workplace) -> None:
    text = place.config.read_text()
    recent = 'partition_filter: {prefix_template: "day=%Y-%m-%d", lookback: 1}, settle_secs'
    place.config.write_text(text.replace("settle_secs", recent))
    clock = FakeClock()
    for back in range(4):
        place.put(f"day={clock.now() - timedelta(days=back):%Y-%m-%d}/a.ndjson.gz", [back])

    config = ingest.validate(place.config)
    context = make_context(config.shared, clock=clock, storage_pool=StoragePool())
    options = ingest.IngestOptions(state_dir=config.state_dir, once=True)
    asyncio.run(ingest.IngestPipeline("p", config.pipelines["p"], context, options).run())

    assert place.rows() == [0, 1]


def test_a_shared_limit_lets_the_work_through_one_by_one(place: Workplace) -> None:
    place.config.write_text("global: {total_concurrency: 1}\n" + place.config.read_text())
    for number in range(6):
        place.put(f"{number}.ndjson.gz", [number])

    run(place)

    assert place.rows() == list(range(6))


def test_dead_letters_of_a_plan_that_is_not_in_the_table_do_not_stand(place: Workplace) -> None:
    """It may still be given up, and its lines read again."""
    place.put("a.ndjson.gz", [1], "nonsense")

    ingest.run(place.config, failpoints=Failpoints.parse("commit.before=error"))
    assert list(ingest.dead_letters(place.config)) == []

    run(place)
    assert len(list(ingest.dead_letters(place.config))) == 1


def test_nothing_goes_on_after_a_cancel(place: Workplace) -> None:
    """Only the call that hangs is left behind, in a thread that keeps nobody."""
    for number in range(4):
        place.put(f"{number}.ndjson.gz", [number])
    reached, never = threading.Event(), threading.Event()

    def hang(_: str) -> None:
        reached.set()
        never.wait()

    config = ingest.validate(place.config)
    context = make_context(config.shared, storage_pool=StoragePool())
    options = ingest.IngestOptions(
        state_dir=config.state_dir, failpoints=Failpoints({("output.stored", 1): hang})
    )
    pipeline = ingest.IngestPipeline("p", config.pipelines["p"], context, options)

    async def cancel_it() -> set[str]:
        running = asyncio.create_task(pipeline.run())
        await asyncio.to_thread(reached.wait)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        return {task.get_name() for task in asyncio.all_tasks() - {asyncio.current_task()}}

    assert asyncio.run(cancel_it()) == set()
    never.set()


@pytest.mark.case("k21")
def test_a_table_with_other_columns_is_refused_for_good(place: Workplace) -> None:
    """A restart could not help: somebody must change one of the two."""
    place.put("a.ndjson.gz", [1])
    run(place)
    place.configure(kind="int32")

    report = ingest.run(place.config)

    assert report.exit_code == 1
    assert "does not fit the schema" in report.pipelines[0].message
    assert place.rows() == [1]


def test_files_are_worked_on_in_threads_that_do_nothing_else(place: Workplace) -> None:
    """Memory that one kind of work frees is kept for its thread; all kinds in all threads held a quarter more."""
    names: set[str] = set()

    class Watched(ingest.Decoder):
        def __init__(self, schema: pa.Schema, options: ingest.DecoderOptions) -> None:
            self._inner = ingest.open_decoder(schema, options)

        @property
        def schema(self) -> pa.Schema:
            return self._inner.schema

        def decode(self, chunk: ingest.Chunk) -> ingest.Decoded:
            names.add(threading.current_thread().name)
            return self._inner.decode(chunk)

    for number in range(9):
        place.put(f"{number}.ndjson.gz", [number])

    settings = ingest.RunSettings(once=True, open_decoder=Watched)
    asyncio.run(ingest.run_ingest(ingest.validate(place.config), settings))

    assert place.rows() == list(range(9))
    assert names
    assert all("/files-" in name for name in names)


@pytest.mark.slow
def test_only_a_process_of_its_own_is_set_up_for_ingestion(tmp_path: Path) -> None:
    """A library changes nothing for the whole process unless it is told that the process is its own."""
    code = (
        "import asyncio, sys\n"
        "from penstock.ingest import RunSettings, run_ingest, validate\n"
        "config = validate(sys.argv[1])\n"
        "for whole in (False, True):\n"
        "    asyncio.run(run_ingest(config, RunSettings(once=True, whole_process=whole)))\n"
        "    print(round(sys.getswitchinterval(), 4))\n"
    )
    place = Workplace(tmp_path)

    done = subprocess.run(
        [sys.executable, "-c", code, place.config], check=True, capture_output=True, text=True
    )

    assert done.stdout.split() == ["0.005", "0.0005"]
