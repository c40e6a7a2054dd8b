"""A line that cannot be a row costs itself, and is kept with its number, its reason and its bytes."""

import json
from pathlib import Path

import pytest
from deltalake import DeltaTable

from penstock import ingest
from penstock.ingest import DeadLetter
from penstock.ingest._figures import Figures
from tests.ingest.workplace import Workplace

pytestmark = pytest.mark.slow
_CONFIG = """\
source: {path: in, settle_secs: 0}
schema:
  fields:
    - {name: id, type: int64, nullable: false}
    - {name: small, type: int32}
    - {name: text, type: string}
    - {name: at, type: timestamp}
sink: {table_uri: lake/t}
"""


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    made = Workplace(tmp_path)
    made.config.write_text(_CONFIG)
    return made


def run(place: Workplace, *lines: bytes) -> tuple[Figures, list[DeadLetter]]:
    """Ingest one file of these lines, twice; what the first run did, and all dead letters."""
    place.put_bytes("a.ndjson", b"".join(line + b"\n" for line in lines))
    first, second = (ingest.run(place.config) for _ in range(2))
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert second.pipelines[0].figures == Figures(failures={"read": 0, "decode": 0})
    return first.pipelines[0].figures, list(ingest.dead_letters(place.config))


@pytest.mark.case("iii")
@pytest.mark.case("iv")
@pytest.mark.parametrize(
    ("bad", "error", "column"),
    [(b'{"id": 1, "text', "syntax", "text"), (b'{"id": "abc"}', "type", "id")],
    ids=["malformed", "wrong type"],
)
def test_the_lines_around_a_bad_one_are_rows(
    place: Workplace, bad: bytes, error: str, column: str
) -> None:
    """It costs itself alone, is met once, and can be found again by its number."""
    good = [json.dumps({"id": i}).encode() for i in range(600)]

    _, letters = run(place, *good[:400], bad, *good[400:])

    assert place.rows() == list(range(600))
    [letter] = letters
    assert (letter.line, letter.error_class, letter.raw) == (401, error, bad)
    assert letter.column in {column, ""}
    assert letter.offset == sum(len(line) + 1 for line in good[:400])


@pytest.mark.case("iv-b")
@pytest.mark.parametrize(
    "bad",
    [
        b'{"id": "12"}',
        b'{"id": 1.5}',
        b'{"id": 2.7}',
        b'{"id": 1, "at": 1704067200}',
        b'{"id": 1, "id": 2}',
        b'{"id": 1}{"id": 2}',
        b'{"id": 1,\n"text": "x"}',
    ],
    ids=[
        "number in quotes",
        "fraction",
        "another fraction",
        "epoch",
        "duplicate key",
        "two objects",
        "a record over two lines",
    ],
)
def test_no_value_becomes_another_one_in_silence(place: Workplace, bad: bytes) -> None:
    _, letters = run(place, b'{"id": 8}', bad, b'{"id": 9}')

    assert place.rows() == [8, 9]
    assert b"\n".join(letter.raw for letter in letters) == bad


@pytest.mark.case("iv-c")
@pytest.mark.case("k25")
@pytest.mark.parametrize(
    "bad",
    [
        b'{"id": 1, "text": 5}',
        b'{"id": 1, "small": 2147483648}',
        b'{"text": "no id"}',
        b'{"id": 1, "text": "\xff"}',
        b'\xef\xbb\xbf{"id": 1}',
    ],
    ids=["number into string", "overflow", "missing", "invalid UTF-8", "BOM"],
)
def test_what_cannot_be_a_row_costs_its_line_and_not_the_file(place: Workplace, bad: bytes) -> None:
    _, letters = run(place, b'{"id": 8}', bad, b'{"id": 9}')

    assert place.rows() == [8, 9]
    assert [(letter.line, letter.raw) for letter in letters] == [(2, bad)]


@pytest.mark.case("v")
def test_fields_that_no_column_takes_are_counted(place: Workplace) -> None:
    """In what is returned, and so in the metrics; the rows are there."""
    figures, letters = run(place, b'{"id": 1, "x": 1, "y": {"z": 2}}', b'{"id": 2, "x": 0}')

    assert figures.unknown_fields == 3
    assert place.rows() == [1, 2]
    assert letters == []


@pytest.mark.case("vi")
def test_a_very_long_line_is_a_row_and_one_over_the_limit_a_letter(place: Workplace) -> None:
    """16 MiB are read; of 65 MiB only the start is kept, and the lines behind are rows."""
    long, over = ("x" * (mib * 1024 * 1024) for mib in (16, 65))

    _, letters = run(
        place,
        json.dumps({"id": 1, "text": long}).encode(),
        json.dumps({"id": 2, "text": over}).encode(),
        b'{"id": 3}',
    )

    table = DeltaTable(str(place.root / "lake/t")).to_pyarrow_dataset().to_table()
    assert table.column("id").to_pylist() == [1, 3]
    assert len(table.column("text")[0].as_py()) == len(long)
    [letter] = letters
    assert (letter.line, letter.error_class, letter.complete) == (2, "too-long", False)
    assert len(letter.raw) < 1024 * 1024
