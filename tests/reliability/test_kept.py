"""What others do well is done here too, through the whole product."""

import base64
import gzip
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from penstock import ingest
from penstock.ingest._decompress import open_plain
from penstock.ingest._reader import LineReader
from penstock.table import DeltaLakeTable
from tests.ingest.workplace import Workplace

pytestmark = pytest.mark.slow
_FULL_PART = 1_200_000
_SCHEMA = pa.schema([pa.field("id", pa.int64(), nullable=False), pa.field("v", pa.string())])


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    return Workplace(tmp_path)


def edit(place: Workplace, old: str, new: str) -> None:
    text = place.config.read_text()
    assert old in text
    place.config.write_text(text.replace(old, new))


def run(place: Workplace, *, code: int = 0) -> str:
    """Ingest what is there; the message of the pipeline."""
    report = ingest.run(place.config)
    assert report.exit_code == code, report.pipelines[0].message
    return report.pipelines[0].message


@pytest.mark.case("k08")
@pytest.mark.parametrize(
    "pack", [bytes, lambda data: gzip.compress(data, 1)], ids=["plain", "gzip"]
)
def test_rows_are_there_before_a_file_is_read_and_nothing_is_read_ahead(pack) -> None:
    """One block at a time, when it is asked for."""
    random = Random(3)
    line = b"".join(
        json.dumps({"v": random.randbytes(300).hex()}).encode() + b"\n" for _ in range(64)
    )
    stored = io.BytesIO(pack(line * 256))
    size = len(stored.getvalue())
    blocks = iter(LineReader(open_plain(stored, "a", "auto"), 1 << 20, 1 << 16))

    read = [0]
    for _ in range(3):
        assert next(blocks)
        read.append(stored.tell())

    assert read[1] < size / 4
    assert read[3] < size / 2


@pytest.mark.case("k09")
def test_the_narrowest_limits_let_everything_through(place: Workplace) -> None:
    """One permit, one decoder, one upload at a time, and more outputs than all of them."""
    place.configure(
        max_files=8, extra_sink=", file_size_mb: 1, row_group_rows: 16, max_concurrent_uploads: 1"
    )
    edit(place, "    plan:", "    max_concurrent_files: 1\n    plan:")
    edit(place, "pipelines:\n", "global: {total_concurrency: 1}\npipelines:\n")
    random = Random(4)
    for number in range(8):
        pad = base64.b64encode(random.randbytes(_FULL_PART)).decode()
        place.put(
            f"{number}.ndjson.gz",
            range(number * 20, number * 20 + 19),
            f'{{"id": {number * 20 + 19}, "v": "{pad}"}}',
        )

    run(place)

    assert place.rows() == list(range(160))
    assert len(DeltaTable(str(place.root / "lake/t")).file_uris()) >= 8


@pytest.mark.case("k11")
@pytest.mark.case("k13")
def test_sources_progress_on_their_own_and_a_name_is_taken_once_in_each(place: Workplace) -> None:
    """Equal names in two sources are two files; what was read of one does not hide the other's."""
    edit(
        place,
        "sources: {main: {path: in,",
        "sources: {late: {path: in/late, settle_secs: 0}, main: {path: in/main,",
    )
    for number, name in enumerate(("main/a", "main/b", "main/b", "late/a", "late/b", "main/0")):
        if not (place.root / "in" / f"{name}.ndjson.gz").exists():
            place.put(f"{name}.ndjson.gz", [number])
        run(place)

    assert place.rows() == [0, 1, 3, 4, 5]


@pytest.mark.case("k17")
def test_a_table_with_rows_of_others_is_begun_from_the_first_file(place: Workplace) -> None:
    """Theirs stay as they are."""
    theirs = pa.table({"id": [-1, -2], "v": ["x", None]}, schema=_SCHEMA)
    write_deltalake(place.root / "lake/t", theirs, mode="append")
    place.put("a.ndjson.gz", [1])

    for _ in range(2):
        run(place)

    assert place.rows() == [-2, -1, 1]


@pytest.mark.case("k20")
def test_a_column_that_only_the_table_has_is_null_in_new_rows(place: Workplace) -> None:
    wider = _SCHEMA.append(pa.field("note", pa.string()))
    DeltaLakeTable(str(place.root / "lake/t")).create(wider)
    place.put("a.ndjson.gz", [1])

    run(place)

    rows = DeltaLakeTable(str(place.root / "lake/t")).rows()
    assert rows.to_pylist() == [{"id": 1, "v": "000001", "note": None}]


@pytest.mark.case("k22")
@pytest.mark.parametrize(
    "column",
    [
        pa.field("v", pa.string(), nullable=False),
        pa.field("v", pa.list_(pa.int32())),
        pa.field("v", pa.struct([pa.field("k", pa.int32())])),
        pa.field("v", pa.struct([pa.field("k", pa.int64()), pa.field("more", pa.int64())])),
    ],
    ids=["required", "in a list", "in a struct", "a member more"],
)
def test_a_column_of_another_type_is_refused_wherever_it_differs(
    place: Workplace, column: pa.Field
) -> None:
    """Neither widened nor narrowed; nothing is written, and the column is named."""
    if pa.types.is_list(column.type):
        edit(place, "type: string", "type: list<int64>")
    if pa.types.is_struct(column.type):
        edit(place, "type: string", "type: struct, fields: [{name: k, type: int64}]")
    DeltaLakeTable(str(place.root / "lake/t")).create(pa.schema([_SCHEMA.field("id"), column]))
    place.put("a.ndjson.gz", [1])

    message = run(place, code=1)

    assert "'v'" in message
    assert place.rows() == []


@pytest.mark.case("k23")
def test_times_are_microseconds_in_utc_whatever_their_offset(place: Workplace) -> None:
    """A finer time costs its line."""
    edit(place, "type: string", "type: timestamp")
    same = ("2024-03-01T01:30:00+02:00", "2024-02-29T23:30:00Z", "2024-02-29 23:30:00.000000")
    texts = [*same, "2024-02-29T23:30:00.0000001"]
    lines = (b'{"id": %d, "v": "%s"}\n' % (n, text.encode()) for n, text in enumerate(texts))
    place.put_bytes("a.ndjson", b"".join(lines))

    run(place)

    column = DeltaLakeTable(str(place.root / "lake/t")).rows().column("v")
    assert column.type == pa.timestamp("us", tz="UTC")
    assert column.to_pylist() == [datetime(2024, 2, 29, 23, 30, tzinfo=UTC)] * len(same)
    assert [letter.line for letter in ingest.dead_letters(place.config)] == [4]


@pytest.mark.case("k25")
def test_a_json_column_keeps_any_value_as_its_text(place: Workplace) -> None:
    edit(place, "type: string", "type: json")
    values = [b'{"a": [1, {"b": null}]}', b"[1.50, 2]", b"17", b"true", b'"text"']
    place.put_bytes(
        "a.ndjson", b"".join(b'{"id": %d, "v": %s}\n' % pair for pair in enumerate(values))
    )

    run(place)

    rows = DeltaLakeTable(str(place.root / "lake/t")).rows().sort_by("id")
    assert [json.loads(text) for text in rows.column("v").to_pylist()] == [
        json.loads(v) for v in values
    ]
