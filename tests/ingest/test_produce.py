"""A plan becomes outputs, outcomes and dead letters: all of a good file, nothing of a bad one."""

import gzip
import itertools
import threading
import tracemalloc

import pyarrow.parquet as pq
import pytest

from penstock.ingest._compiled_decoder import CompiledDecoder
from penstock.ingest._dead_letters import read_dead_letters
from penstock.ingest._decode_file import DecodeSettings
from penstock.ingest._errors import FileChangedError, FileGoneError, FileUnavailableError
from penstock.ingest._produce import PlanProducer
from penstock.ingest._reference_decoder import ReferenceDecoder
from penstock.ingest._seal import FileState
from tests.ingest.memory_files import SCHEMA, MemoryFiles, lines

DECODER = ReferenceDecoder(SCHEMA)
GOOD = gzip.compress(b"bad\n" + lines(0, 3000), mtime=0)


def produce(files, directory, *, bad_lines="row", workers=2, decoder=DECODER, **settings):
    producer = PlanProducer(
        files, decoder, DecodeSettings(bad_lines=bad_lines, block_bytes=4096), workers
    )
    return producer.produce(files.plan(**settings), directory)


def ids(produced):
    return [
        value
        for part in produced.parts
        for value in pq.read_table(part.path, columns=["id"]).column(0).to_pylist()
    ]


def letters(produced):
    if produced.dead_letters is None:
        return []
    with produced.dead_letters.path.open("rb") as stored:
        return list(read_dead_letters(stored, place="here"))


def states(produced):
    return [(outcome.state.value, outcome.error) for outcome in produced.outcomes]


@pytest.mark.parametrize("spill_limit", [0, 10_000, 1 << 30])
@pytest.mark.parametrize(
    ("broken", "error"),
    [
        (GOOD[: len(GOOD) * 2 // 3], "truncated"),
        (GOOD[:-8] + b"aaaa" + GOOD[-4:], "checksum"),
        (b"no gzip at all", "not-compressed"),
    ],
    ids=["case_ii_a", "case_ii_b", "case_ii_d"],
)
def test_case_ii_a_broken_file_gives_no_row_and_one_dead_letter(
    broken, error, spill_limit, tmp_path
):
    """Even if its rows were already written out; its neighbours are unharmed."""
    files = MemoryFiles(
        a_gz=gzip.compress(lines(10_000, 50)), b_gz=broken, c_gz=gzip.compress(lines(20_000, 50))
    )
    produced = produce(files, tmp_path, spill_limit=spill_limit, row_group_rows=100)
    assert ids(produced) == [*range(10_000, 10_050), *range(20_000, 20_050)]
    assert states(produced) == [("rows", ""), ("dead", error), ("rows", "")]
    (letter,) = letters(produced)
    assert (letter.stage, letter.error_class, letter.name, letter.line) == (
        "read",
        error,
        "b.gz",
        0,
    )
    kept = {part.path for part in produced.parts} | {produced.dead_letters.path}
    assert set(tmp_path.iterdir()) == kept


def test_case_ii_c_a_flipped_byte_gives_no_row(tmp_path):
    """Where the damage lies in the data, and only the checksum or the coding can tell."""
    for at in range(20, len(GOOD), len(GOOD) // 7):
        broken = GOOD[:at] + bytes([GOOD[at] ^ 0x10]) + GOOD[at + 1 :]
        produced = produce(MemoryFiles(a_gz=broken), tmp_path)
        assert [state for state, _ in states(produced)] == ["dead"]
        assert produced.parts == ()
        assert len(letters(produced)) == 1


def test_case_ii_e_both_members_are_in_the_table(tmp_path):
    """Rows of the second member too."""
    both = gzip.compress(lines(0, 1500)) + gzip.compress(lines(1500, 1500))
    assert ids(produce(MemoryFiles(a_gz=both), tmp_path)) == list(range(3000))


@pytest.mark.parametrize(
    ("bad", "error", "column"),
    [(b'{"id":1', "syntax", ""), (b'{"id":"abc"}', "type", "id")],
    ids=["case_iii", "case_iv"],
)
def test_case_iii_a_bad_line_costs_that_line_and_is_kept(bad, error, column, tmp_path):
    """With file, number, offset, class, column and bytes."""
    before, after = lines(0, 1000) + b"\n" + lines(1000, 1000), lines(2000, 1000)
    files = MemoryFiles(a_ndjson=before + bad + b"\n" + after)
    produced = produce(files, tmp_path)
    assert ids(produced) == list(range(3000))
    (letter,) = letters(produced)
    assert letter.raw == bad
    assert (letter.line, letter.offset, letter.length) == (2002, len(before), len(bad))
    assert (letter.stage, letter.error_class, letter.column) == ("decode", error, column)
    assert (letter.name, letter.source, letter.seq) == ("a.ndjson", "main", 7)
    (outcome,) = produced.outcomes
    assert (outcome.state, outcome.rows, outcome.dead_lines) == (FileState.ROWS, 3000, 1)


def test_case_iii_as_configured_a_bad_line_costs_its_file(tmp_path):
    """`bad_lines: file`: no row, one dead letter that names the line."""
    files = MemoryFiles(a_ndjson=lines(0, 50) + b"x\n", b_ndjson=lines(50, 50))
    produced = produce(files, tmp_path, bad_lines="file")
    assert ids(produced) == list(range(50, 100))
    assert states(produced) == [("dead", "bad-line"), ("rows", "")]
    (letter,) = letters(produced)
    assert letter.message == "line 51, byte 0: not JSON"


def test_case_iv_b_no_value_is_converted_in_silence(tmp_path):
    """Each of these became a wrong row elsewhere."""
    bad = (
        b'{"id":"12"}',
        b'{"id":1.5}',
        b'{"id":2.0}',
        b'{"id":1,"at":1704067200}',
        b'{"id":1,"id":2}',
        b'{"id":1}{"id":2}',
        b'{"id":1,',
        b'"name":"one record on two lines"}',
    )
    produced = produce(MemoryFiles(a_ndjson=b"\n".join(bad) + b"\n" + lines(5, 1)), tmp_path)
    assert ids(produced) == [5]
    classes = [
        "type",
        "type",
        "type",
        "type",
        "duplicate-key",
        "trailing",
        "syntax",
        "not-an-object",
    ]
    assert [letter.error_class for letter in letters(produced)] == classes


def test_case_iv_c_what_cost_a_file_elsewhere_costs_a_line(tmp_path):
    """A number as text, an overflow, a missing column, bytes that are not UTF-8, a BOM."""
    bad = (
        b'{"id":1,"name":5}',
        b'{"id":9223372036854775808}',
        b'{"name":"a"}',
        b'{"id":1,"name":"\xff"}',
        b'\xef\xbb\xbf{"id":1}',
    )
    produced = produce(MemoryFiles(a_ndjson=lines(5, 1) + b"\n".join(bad)), tmp_path)
    assert ids(produced) == [5]
    found = letters(produced)
    assert [letter.raw for letter in found] == list(bad)
    classes = ["type", "range", "missing", "utf8", "bom"]
    assert [letter.error_class for letter in found] == classes


def test_case_v_unknown_fields_are_counted(tmp_path):
    """Of accepted lines only."""
    data = b'{"id":1,"x":1,"y":{"z":1}}\n{"id":"a","x":1}\n{"id":2,"x":1}\n'
    assert produce(MemoryFiles(a_ndjson=data), tmp_path).outcomes[0].unknown_fields == 3


def test_case_vi_a_very_long_line_is_a_row_up_to_the_limit(tmp_path):
    """And beyond it one dead letter with its head, and the rest of the file is whole."""
    long = b'{"id":1,"name":"' + b"x" * 5_000_000 + b'"}\n'
    files = MemoryFiles(a_ndjson=lines(0, 1) + long + lines(2, 1))
    assert ids(produce(files, tmp_path)) == [0, 1, 2]
    settings = DecodeSettings(max_line_bytes=4_000_000)
    produced = PlanProducer(files, DECODER, settings).produce(files.plan(), tmp_path)
    assert ids(produced) == [0, 2]
    (letter,) = letters(produced)
    assert (letter.error_class, letter.line, letter.length) == ("too-long", 2, len(long) - 1)
    assert letter.raw == long[:1024]
    assert not letter.complete


def test_case_vii_files_without_rows_are_no_failure(tmp_path):
    """0 bytes, the gzip of nothing, blank lines only."""
    files = MemoryFiles(a_gz=b"", b_gz=gzip.compress(b""), c_ndjson=b"\n \n\r\n")
    produced = produce(files, tmp_path)
    assert states(produced) == [("rows", "")] * 3
    assert produced.parts == ()
    assert produced.dead_letters is None


def test_a_failure_that_is_not_the_files_own_is_no_dead_letter(tmp_path):
    """Gone, changed, and a store that cannot be reached."""
    files = MemoryFiles(
        a_ndjson=FileGoneError(), b_ndjson=FileChangedError(), c_ndjson=FileUnavailableError()
    )
    produced = produce(files, tmp_path)
    wanted = [("gone", "gone"), ("changed", "changed"), ("returned", "unavailable")]
    assert states(produced) == wanted
    assert produced.dead_letters is None


class OvertakenDecoder:
    """Holds its first call back until others have ended, so that files finish out of order."""

    schema = SCHEMA

    def __init__(self, overtaken_by):
        self._calls = itertools.count()
        self._overtaken_by = overtaken_by
        self._ended = threading.Semaphore(0)

    def decode(self, chunk):
        if next(self._calls) == 0:
            for _ in range(self._overtaken_by):
                self._ended.acquire()
        decoded = DECODER.decode(chunk)
        self._ended.release()
        return decoded


def test_repeated_work_gives_the_same_outputs_whatever_the_threads_timing(tmp_path):
    """Names, hashes, statistics, dead letters; rows in the order of the plan."""
    contents = {f"f{n}_gz": gzip.compress(lines(n * 1000, 300) + b"x\n") for n in range(9)}
    contents["f4_gz"] = gzip.compress(lines(4000, 4000))  # spills
    seen = []
    for run in range(3):
        directory = tmp_path / str(run)
        directory.mkdir()
        files = MemoryFiles(**contents)
        produced = produce(
            files, directory, workers=3, decoder=OvertakenDecoder(run), spill_limit=100_000,
            file_size=10_000, row_group_rows=700,
        )  # fmt: skip
        names = [part.part for part in produced.parts]
        seen.append((names, produced.dead_letters.file, produced.outcomes))
        assert files.open_count == 0
    assert seen[0] == seen[1] == seen[2]
    assert sum(outcome.rows for outcome in produced.outcomes) == 8 * 300 + 4000
    small = [number for n in (0, 1, 2, 3, 5, 6, 7, 8) for number in range(n * 1000, n * 1000 + 300)]
    own = set(range(4000, 8000)) - set(small)
    assert [number for number in ids(produced) if number not in own and number < 4000] == small[
        :1200
    ]
    assert [part.part.name.split("-")[:4] for part in produced.parts] == [
        ["part", "flights", "7", str(number)] for number in range(1, len(produced.parts) + 1)
    ]


def test_a_file_over_the_spill_limit_has_outputs_of_its_own(tmp_path):
    """So that no other file's rows depend on its end; small files share."""
    files = MemoryFiles(a_ndjson=lines(0, 10), b_ndjson=lines(1000, 2000), c_ndjson=lines(20, 10))
    produced = produce(files, tmp_path, spill_limit=20_000, row_group_rows=500, file_size=1)
    held = [pq.read_table(part.path).column("id").to_pylist() for part in produced.parts]
    assert [len(part) for part in held] == [500] * 4 + [20]
    assert held[-1] == [*range(10), *range(20, 30)]


class FailingDecoder:
    """Breaks at its n-th chunk only, as a disk that is full for a moment would."""

    schema = SCHEMA

    def __init__(self, good):
        self._left = good

    def decode(self, chunk):
        self._left -= 1
        if self._left == -1:
            raise OSError(28, "No space left on device")
        return DECODER.decode(chunk)


@pytest.mark.parametrize("good", range(0, 11, 2))
def test_a_failure_here_leaves_nothing_on_the_disk(good, tmp_path):
    """No matter how many files were finished, spilled, or in work."""
    files = MemoryFiles(**{f"f{n}_ndjson": lines(n * 100, 100) + b"x\n" for n in range(6)})
    with pytest.raises(OSError, match="No space left"):
        produce(files, tmp_path, decoder=FailingDecoder(good), spill_limit=0, row_group_rows=10)
    assert list(tmp_path.iterdir()) == []
    assert files.open_count == 0


@pytest.mark.slow
def test_a_file_of_nothing_but_bad_lines_needs_no_more_memory_than_any_other(tmp_path):
    """60,000 lines of one byte in one block: neither the rejections nor the letters pile up."""
    lines_ = 60_000
    files = MemoryFiles(a=b"x\n" * lines_)
    producer = PlanProducer(
        files, CompiledDecoder(SCHEMA), DecodeSettings(compression="none", bad_lines="row"), 1
    )
    plan = files.plan()

    tracemalloc.start()
    try:
        produced = producer.produce(plan, tmp_path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert states(produced) == [("rows", "")]
    assert produced.dead_letters.file.letters == lines_
    assert peak < 14 << 20
