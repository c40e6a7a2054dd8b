"""The files of a plan in any number of threads: how many are in memory, and whose turn it is."""

import pytest

from penstock.ingest._decode_file import DecodeSettings
from penstock.ingest._plan_files import PlanFiles
from penstock.ingest._reference_decoder import ReferenceDecoder
from penstock.storage import StoreUnavailableError
from tests.ingest.memory_files import SCHEMA, MemoryFiles, lines


class Bench:
    """Four plain files of ten rows each, for one output."""

    def __init__(self, directory, *, at_once):
        self._stored = MemoryFiles(**{f"{n}_json": lines(n * 10, 10) for n in range(4)})
        self.opened = []
        self.files = PlanFiles(
            self._stored.plan(),
            directory,
            decoder=ReferenceDecoder(SCHEMA),
            settings={"main": DecodeSettings(compression="none")},
            at_once=at_once,
        )

    def ingest(self, index):
        return self.files.ingest(index, self)

    def open_file(self, file):
        self.opened.append(file.name)
        return self._stored.open_file(file)


@pytest.fixture
def open_bench(tmp_path):
    """Makes one; what it holds at the end is given up."""
    made = []

    def open_bench(at_once):
        made.append(Bench(tmp_path, at_once=at_once))
        return made[-1]

    yield open_bench
    for bench in made:
        bench.files.close()


def test_a_file_out_of_turn_is_decoded_and_waits_for_the_one_before_it(open_bench):
    """It is not decoded again for that."""
    bench = open_bench(at_once=2)

    assert bench.ingest(1) is None
    assert bench.ingest(0) == ()
    assert bench.ingest(1) == ()
    assert bench.opened == ["1.json", "0.json"]


def test_no_more_files_are_decoded_than_may_be_in_memory(open_bench):
    """One more may be asked for, so that no thread is without work: it is refused until another is written."""
    bench = open_bench(at_once=2)

    assert bench.ingest(1) is None
    assert bench.ingest(2) is None
    assert bench.opened == ["1.json"]
    assert bench.ingest(0) == ()
    assert bench.ingest(2) is None
    assert bench.opened == ["1.json", "0.json", "2.json"]


def test_there_is_always_room_for_the_file_that_all_others_wait_for(open_bench):
    """Its thread may be the last to ask; were the room taken by then, the plan would never end."""
    bench = open_bench(at_once=2)

    assert [bench.ingest(index) for index in (3, 2, 1)] == [None, None, None]
    assert bench.ingest(0) == ()
    assert [bench.ingest(index) for index in (1, 2)] == [(), ()]
    assert len(bench.ingest(3)) == 1
    assert sum(outcome.rows for outcome in bench.files.finish().outcomes) == 40


def test_a_file_whose_store_failed_may_be_asked_for_again(open_bench):
    """It was not decoded, and takes nobody's room."""
    bench = open_bench(at_once=1)
    failing = MemoryFiles(**{"0_json": StoreUnavailableError("memory://", "down")})

    with pytest.raises(StoreUnavailableError):
        bench.files.ingest(0, failing)

    assert bench.ingest(0) == ()
    assert bench.ingest(1) == ()
