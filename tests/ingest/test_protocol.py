"""What befell others, on the real protocol over real files and a real Delta table."""

import gzip
import json
import shutil
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random

import pytest

from penstock.base import FailpointError, Failpoints
from penstock.ingest._checkpointer import Checkpointer
from penstock.ingest._cycle_result import CycleResult
from penstock.ingest._protocol_errors import CommitBlockedError, DamagedStateError
from penstock.storage import LocalStore, StoreUnavailableError, open_store
from penstock.table import (
    CommitUnknownError,
    DataFile,
    DeltaLakeTable,
    TableSnapshot,
    TableUnavailableError,
)
from penstock.testing import MemoryTable
from tests.ingest.kills import KillServer, exactly_once
from tests.ingest.line_pipeline import (
    PIPELINE,
    build,
    drain,
    make_source,
    parts,
    run_once,
    stored,
)


def put(root: Path, name: str, *lines: object) -> None:
    path = root / "source" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress("".join(json.dumps(line) + "\n" for line in lines).encode()))


def ids(root: Path) -> list[int]:
    return sorted(DeltaLakeTable(str(root / "table")).rows(["id"]).column("id").to_pylist())


def run(root: Path) -> CycleResult:
    cycle, discovery = build(root, Failpoints())
    drain(cycle, discovery)
    return cycle.totals


def test_an_output_is_committed_whatever_its_name(tmp_path: Path) -> None:
    """Names say nothing about order: what a seal lists is committed, early name or late."""
    for number, name in enumerate(("m.json.gz", "z.json.gz", "a.json.gz")):
        put(tmp_path, name, {"id": number})
        run(tmp_path)

    assert ids(tmp_path) == [0, 1, 2]


def test_a_new_file_that_sorts_before_all_others_is_read(tmp_path: Path) -> None:
    """There is no watermark over names."""
    put(tmp_path, "b/9.ndjson.gz", {"id": 9})
    run(tmp_path)
    put(tmp_path, "a/1.ndjson.gz", {"id": 1})

    assert run(tmp_path).files == 1
    assert ids(tmp_path) == [1, 9]


@pytest.mark.case("k16")
@pytest.mark.parametrize("point", ["commit.after", "ack.before", "ack.after"])
def test_what_was_committed_before_a_crash_is_not_doubled(tmp_path: Path, point: str) -> None:
    """The file's identity is committed with its rows."""
    put(tmp_path, "a.json.gz", {"id": 1})
    with pytest.raises(FailpointError):
        run_once(tmp_path, Failpoints.parse(f"{point}=error"))

    run(tmp_path)

    assert ids(tmp_path) == [1]


@pytest.mark.parametrize(
    "point", ["plan.written", "output.written", "seal.written", "commit.before"]
)
def test_what_was_not_committed_before_a_crash_is_not_lost(tmp_path: Path, point: str) -> None:
    """Nothing counts as done before its commit has been re-read."""
    put(tmp_path, "a.json.gz", {"id": 1})
    with pytest.raises(FailpointError):
        run_once(tmp_path, Failpoints.parse(f"{point}=error"))
    assert not (tmp_path / "table" / "_penstock" / PIPELINE / "acknowledged").exists()

    run(tmp_path)

    assert ids(tmp_path) == [1]


def test_a_taken_name_with_another_content_is_reported_and_not_read(tmp_path: Path) -> None:
    """Rows of the old content are in the table already; which of the two counts is a person's choice."""
    put(tmp_path, "a.json.gz", {"id": 1})
    run(tmp_path)
    put(tmp_path, "a.json.gz", {"id": 1}, {"id": 2})
    cycle, discovery = build(tmp_path, Failpoints())
    cycle.recover()

    changed = cycle.plan(discovery.look().files).changed

    assert [file.name for file in changed] == ["a.json.gz"]
    assert run(tmp_path).plans == 0
    assert ids(tmp_path) == [1]


class FullDisk(LocalStore):
    """Takes no data files while `full`."""

    full = True

    def put_file(self, key: str, path: Path) -> None:
        if self.full:
            raise StoreUnavailableError(key, "No space left on device")
        super().put_file(key, path)


def test_a_full_disk_stops_the_work_and_costs_nothing(tmp_path: Path) -> None:
    """Nothing is dead-lettered and nothing skipped; the same program goes on when there is room."""
    put(tmp_path, "a.json.gz", {"id": 1})
    made = parts(tmp_path)
    made.store = FullDisk(tmp_path / "table")
    cycle, discovery = build(tmp_path, Failpoints(), made)
    for _ in range(3):
        with pytest.raises(StoreUnavailableError, match="No space left"):
            cycle.run(discovery.look().files)

    made.store.full = False
    drain(cycle, discovery)

    assert ids(tmp_path) == [1]
    assert cycle.totals.dead_letters == 0


@pytest.mark.slow
def test_two_processes_on_one_table_do_the_work_once(tmp_path: Path) -> None:
    """Started at once on a table that is not there yet, with one pipeline's key."""
    expected = make_source(tmp_path, Random(5), 20)
    servers = [KillServer("line_pipeline") for _ in range(2)]
    ends: list[int] = []
    threads = [
        threading.Thread(
            target=lambda s=server: ends.append(
                s.run("line_pipeline:run_once", tmp_path, "", 0, 0.0)
            )
        )
        for server in servers
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for server in servers:
        server.close()

    assert ends == [0, 0]
    exactly_once(stored(tmp_path, PIPELINE), expected)


class FlakyTable(DeltaLakeTable):
    """Gives no answer to its first commits; some of them land all the same."""

    def __init__(self, url: str, answers: Sequence[str]) -> None:
        super().__init__(url)
        self.answers = list(answers)

    def commit(
        self,
        snapshot: TableSnapshot,
        *,
        adds: Sequence[DataFile],
        transactions: Mapping[str, int],
        metadata: Mapping[str, str],
    ) -> None:
        answer = self.answers.pop(0) if self.answers else "landed"
        if answer != "failed":
            super().commit(snapshot, adds=adds, transactions=transactions, metadata=metadata)
        if answer != "landed":
            raise CommitUnknownError(self.url, "connection reset")


@pytest.mark.parametrize("answers", [["lost"], ["failed", "failed"], ["failed", "lost", "lost"]])
def test_a_commit_without_an_answer_is_looked_up_before_it_is_repeated(
    tmp_path: Path, answers: Sequence[str]
) -> None:
    """A blind repeat doubles the rows of a commit that had landed."""
    for number in range(6):
        put(tmp_path, f"{number}.json.gz", {"id": number})
    made = parts(tmp_path)
    made.table = FlakyTable(str(tmp_path / "table"), answers)

    drain(*build(tmp_path, Failpoints(), made))

    assert ids(tmp_path) == list(range(6))


def test_a_commit_that_keeps_failing_is_made_later(tmp_path: Path) -> None:
    """An error is not counted as success: the plan stays open, also over a restart."""
    put(tmp_path, "a.json.gz", {"id": 1})
    made = parts(tmp_path)
    made.table = FlakyTable(str(tmp_path / "table"), ["failed"] * 99)
    with pytest.raises(CommitBlockedError, match="connection reset"):
        drain(*build(tmp_path, Failpoints(), made))
    assert ids(tmp_path) == []

    assert run(tmp_path).rows == 1
    assert ids(tmp_path) == [1]


def test_a_sealed_plan_whose_part_is_gone_is_voided_and_read_again(tmp_path: Path) -> None:
    """The void is in the table; the file's rows come in with another plan, its dead letters once."""
    put(tmp_path, "a.json.gz", {"id": 1}, "no object")
    with pytest.raises(FailpointError):
        run_once(tmp_path, Failpoints.parse("seal.written=error"))
    for path in (tmp_path / "table").glob("part-*"):
        path.unlink()

    result = run(tmp_path)

    assert (result.voided, result.plans, result.rows) == (1, 1, 1)
    assert ids(tmp_path) == [1]
    assert stored(tmp_path, PIPELINE).letters.total() == 1


@pytest.mark.case("k11")
def test_a_planned_file_that_vanished_is_gone_and_read_when_it_returns(tmp_path: Path) -> None:
    """One that was replaced is read as it is now."""
    for name, number in (("a.json.gz", 1), ("b.json.gz", 2)):
        put(tmp_path, name, {"id": number})
    with pytest.raises(FailpointError):
        run_once(tmp_path, Failpoints.parse("plan.written=error"))
    (tmp_path / "source" / "a.json.gz").unlink()
    put(tmp_path, "b.json.gz", {"id": 22})

    assert run(tmp_path).gone_files == 2
    assert ids(tmp_path) == [22]
    put(tmp_path, "a.json.gz", {"id": 11})
    run(tmp_path)

    assert ids(tmp_path) == [11, 22]


def test_the_failure_limit_stops_after_a_plan_that_is_still_committed(tmp_path: Path) -> None:
    """What was read is kept; nothing more is planned."""
    for number in range(6):
        put(tmp_path, f"{number}.json.gz", {"id": number}, "no object")
    cycle, discovery = build(tmp_path, Failpoints(), max_failures=3)

    drain(cycle, discovery)

    assert cycle.limit_reached
    assert cycle.run(discovery.look().files).plans == 0
    assert cycle.totals.dead_letters == 4
    assert ids(tmp_path) == [0, 1, 2, 3]


class CountingTable(MemoryTable):
    """Counts its checkpoints, and fails the first."""

    def __init__(self) -> None:
        super().__init__()
        self.checkpoints = 0

    def checkpoint(self) -> None:
        self.checkpoints += 1
        if self.checkpoints == 1:
            raise TableUnavailableError(self.url, "timeout")


def test_of_rivals_one_makes_each_checkpoint() -> None:
    """Two at once can damage it; one that failed is made up for by the next."""
    store, table = open_store("memory://lake"), CountingTable()
    rivals = [Checkpointer(store, table, "p", every=5) for _ in range(3)]
    for seq in range(1, 21):
        for rival in rivals:
            rival.settled(seq)

    assert table.checkpoints == 4


def test_a_table_with_checkpoints_remembers_what_was_committed(tmp_path: Path) -> None:
    """The numbers in it are the ledger."""
    for number in range(24):
        put(tmp_path, f"{number:02}.json.gz", {"id": number})
    run(tmp_path)
    assert list((tmp_path / "table" / "_delta_log").glob("*.checkpoint.parquet"))

    assert run(tmp_path).plans == 0
    assert ids(tmp_path) == list(range(24))


def remake_table(root: Path) -> None:
    shutil.rmtree(root / "table" / "_delta_log")


def restore_old_table(root: Path) -> None:
    log = root / "table" / "_delta_log"
    max(log.glob("*.json")).unlink()


def lose_plans(root: Path) -> None:
    shutil.rmtree(root / "table" / "_penstock")


def lose_seal(root: Path) -> None:
    (root / "table" / "_penstock" / PIPELINE / "results" / f"{2:020}.json").unlink()
    shutil.rmtree(root / "table" / "_penstock" / PIPELINE / "acknowledged")


@pytest.mark.case("k17")
@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (remake_table, "was made for table"),
        (restore_old_table, "was acknowledged"),
        (lose_plans, "the last plan found is 0"),
        (lose_seal, "is missing"),
    ],
)
def test_a_contradiction_stops_and_says_how_to_go_on(tmp_path: Path, damage, says: str) -> None:
    """Starting again from the beginning would double or lose everything in silence."""
    for number in range(4):
        put(tmp_path, f"{number}.json.gz", {"id": number})
    run(tmp_path)
    damage(tmp_path)

    with pytest.raises(DamagedStateError, match=says) as caught:
        run(tmp_path)

    assert "restore" in str(caught.value)
