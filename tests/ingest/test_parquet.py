"""Batches become Parquet files: all rows, rolled by size, equal bytes for equal input."""

import hashlib
import itertools
import json
import subprocess
import sys
from datetime import UTC, date, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.ingest import Chunk
from penstock.ingest._parquet import RollingWriter
from penstock.ingest._reference_decoder import ReferenceDecoder
from penstock.ingest._statistics import lower_text, lower_time, upper_text, upper_time
from penstock.testing import generate
from tests.ingest.memory_files import SCHEMA, lines, writer_settings

BATCHES = [
    ReferenceDecoder(SCHEMA).decode(Chunk(lines(first, 250), 1, 0)).batch
    for first in range(0, 2000, 250)
]


def write(batches, directory, schema=SCHEMA, **settings):
    directory.mkdir(exist_ok=True)
    numbers = itertools.count()
    writer = RollingWriter(
        lambda: directory / f"{next(numbers)}.parquet", schema, writer_settings(**settings)
    )
    for batch in batches:
        writer.write(batch)
    return writer.finish()


@pytest.mark.case("k05")
def test_every_row_is_in_exactly_one_file_and_files_roll(tmp_path):
    """Behind the row group that crosses the size; each file is whole on its own."""
    parts = write(BATCHES, tmp_path, file_size=1, row_group_rows=300)
    assert [part.rows for part in parts] == [300] * 6 + [200]
    tables = [pq.read_table(part.path) for part in parts]
    assert pa.concat_tables(tables).column("id").to_pylist() == list(range(2000))
    (one,) = write(BATCHES, tmp_path / "one", row_group_rows=300)
    assert one.rows == 2000
    assert one.size == one.path.stat().st_size
    assert one.sha256 == hashlib.sha256(one.path.read_bytes()).hexdigest()
    assert pq.read_metadata(one.path).num_row_groups == 7


def test_the_same_input_gives_the_same_bytes(tmp_path):
    """Also when the same rows come in other batches of the same row groups."""
    first = write(BATCHES, tmp_path / "a", row_group_rows=250)
    second = write(BATCHES, tmp_path / "b", row_group_rows=250)
    assert [part.sha256 for part in first] == [part.sha256 for part in second]
    assert first[0].path.read_bytes() == second[0].path.read_bytes()


def test_a_row_group_takes_no_more_than_its_share_of_memory(tmp_path):
    """32 MiB are written as soon as they are there; of a batch that is cut each piece counts for itself."""
    schema = pa.schema([("s", pa.string())])
    batch = pa.RecordBatch.from_pydict({"s": ["x" * 2**20] * 12}, schema)
    for limit, groups in ((1000, [36, 36]), (35, [35, 35, 2])):
        (part,) = write([batch] * 6, tmp_path / str(limit), schema, row_group_rows=limit)
        metadata = pq.read_metadata(part.path)
        found = [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)]
        assert found == groups


@pytest.mark.case("k06")
@pytest.mark.parametrize(
    ("codec", "name"),
    [("zstd", "ZSTD"), ("snappy", "SNAPPY"), ("gzip", "GZIP"), ("lz4", "LZ4"), ("uncompressed", "UNCOMPRESSED")],
)  # fmt: skip
def test_each_codec_is_really_applied(codec, name, tmp_path):
    (part,) = write(BATCHES, tmp_path, codec=codec)
    column = pq.read_metadata(part.path).row_group(0).column(1)
    assert column.compression == name
    assert pq.read_table(part.path).num_rows == 2000


@pytest.mark.parametrize(("codec", "low", "high"), [("zstd", -7, 19), ("gzip", 1, 9)])
def test_a_higher_level_gives_smaller_files(codec, low, high, tmp_path):
    """And what an older plan says nothing about is written as it was then."""
    sizes = [
        write(BATCHES, tmp_path / str(level), codec=codec, compression_level=level)[0].size
        for level in (low, high)
    ]
    assert sizes[0] > sizes[1]
    usual, named = (
        write(BATCHES, tmp_path / f"d{level}", codec=codec, compression_level=level)[0].sha256
        for level in (None, {"zstd": 1, "gzip": 9}[codec])
    )
    assert usual == named


def test_no_rows_give_no_file(tmp_path):
    assert write([BATCHES[0].slice(0, 0)], tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_abort_leaves_nothing_behind(tmp_path):
    """Neither finished files nor the open one; twice is as good as once."""
    numbers = itertools.count()
    writer = RollingWriter(
        lambda: tmp_path / str(next(numbers)), SCHEMA, writer_settings(file_size=6000, row_group_rows=100)
    )  # fmt: skip
    for batch in BATCHES:
        writer.write(batch)
    assert len(list(tmp_path.iterdir())) > 1
    writer.abort()
    writer.abort()
    assert list(tmp_path.iterdir()) == []


def test_statistics_speak_the_words_of_the_delta_protocol(tmp_path):
    """Bounds of scalars, counts of nulls, structs as trees, nothing for lists."""
    json_field = pa.field("j", pa.string(), metadata={b"penstock.type": b"json"})
    schema = pa.schema(
        [("i", pa.int64()), ("f", pa.float32()), ("s", pa.string()), ("b", pa.bool_()), ("d", pa.date32()), ("t", pa.timestamp("us", tz="UTC")), ("x", pa.binary()), json_field, ("l", pa.list_(pa.int64())), ("o", pa.struct([("k", pa.int32())])), ("n", pa.int64())]
    )  # fmt: skip
    early = datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
    late = datetime(2024, 1, 1, 0, 0, 0, 1, tzinfo=UTC)
    rows = [
        {"i": -5, "f": 1.5, "s": "b", "b": True, "d": date(2024, 1, 2), "t": early, "x": b"", "l": [1], "o": {"k": 3}},
        {"i": 9, "f": -0.5, "s": "ä" * 40, "b": False, "d": date(1, 1, 1), "t": late, "j": "1", "o": None},
    ]  # fmt: skip
    (part,) = write([pa.RecordBatch.from_pylist(rows, schema)], tmp_path, schema)
    stats = json.loads(part.stats)
    assert stats["numRecords"] == 2
    assert stats["minValues"] == {
        "i": -5, "f": -0.5, "s": "b", "d": "0001-01-01", "t": "1969-12-31T23:59:59.999Z", "o": {"k": 3},
    }  # fmt: skip
    assert stats["maxValues"] == {
        "i": 9, "f": 1.5, "s": "ä" * 32 + "\U0010ffff", "d": "2024-01-02", "t": "2024-01-01T00:00:00.001Z", "o": {"k": 3},
    }  # fmt: skip
    nulls = {"i": 0, "f": 0, "s": 0, "b": 0, "d": 0, "t": 0, "x": 1, "j": 1, "o": {"k": 1}, "n": 2}
    assert stats["nullCount"] == nulls


def test_a_bound_that_the_footer_leaves_out_is_left_out(tmp_path):
    """One row group with a text too long for a footer: no bound would hold for it."""
    schema = pa.schema([("s", pa.string())])
    batches = [pa.RecordBatch.from_pydict({"s": [text] * 10}, schema) for text in ("b", "a" * 9999)]
    (part,) = write(batches, tmp_path, schema, row_group_rows=10)
    stats = json.loads(part.stats)
    assert stats["minValues"] == stats["maxValues"] == {}
    assert stats["nullCount"] == {"s": 0}


@pytest.mark.slow
def test_statistics_of_times_do_not_import_pandas(tmp_path):
    """pyarrow does that on the first `.min` of a timestamp, at up to 0.8 seconds."""
    (part,) = write(BATCHES, tmp_path)
    script = (
        "import sys, pyarrow as pa, pyarrow.parquet as pq\n"
        "from penstock.ingest._statistics import delta_stats\n"
        f"metadata = pq.read_metadata({str(part.path)!r})\n"
        "schema = pa.schema([('at', pa.timestamp('us', tz='UTC'))])\n"
        "assert '2024' in delta_stats(metadata, schema)\n"
        "assert 'pandas' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@settings(deadline=None)
@given(st.text(max_size=80))
def test_text_bounds_hold_and_are_short(text):
    """In the order of UTF-8 bytes."""
    assert lower_text(text).encode() <= text.encode()
    upper = upper_text(text)
    if upper is not None:
        assert upper.encode() >= text.encode()
        assert len(upper) <= 33


@settings(deadline=None)
@given(st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999))
def test_time_bounds_hold_within_a_millisecond(micros):
    """None only where there is no later millisecond."""
    lower, upper = lower_time(micros), upper_time(micros)
    assert _micros(lower) <= micros < _micros(lower) + 1000
    if upper is None:
        assert micros > 253_402_300_799_999_000
    else:
        assert _micros(upper) - 1000 < micros <= _micros(upper)


def _micros(text):
    moment = datetime.fromisoformat(text)
    span = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (span.days * 86_400 + span.seconds) * 1_000_000 + span.microseconds


@pytest.mark.case("k06")
def test_rows_of_any_schema_come_back_from_parquet(tmp_path):
    """Members that are not nullable below null structs included."""
    for seed in range(25):
        case = generate(seed)
        batch = ReferenceDecoder(case.schema).decode(case.chunk()).batch
        (part,) = write([batch], tmp_path / str(seed), case.schema)
        table = pq.read_table(part.path)
        assert table.to_pylist() == batch.to_pylist()
        assert json.loads(part.stats)["numRecords"] == part.rows
