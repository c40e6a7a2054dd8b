"""A file is taken once, whatever it is called, however it is packed, and whenever it comes."""

import gzip
import sys
from pathlib import Path

import pytest

from penstock import ingest
from tests.ingest.workplace import Workplace

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

pytestmark = pytest.mark.slow


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    return Workplace(tmp_path)


@pytest.mark.case("viii-b")
@pytest.mark.case("k13")
def test_a_file_that_sorts_below_all_that_was_taken_is_read(place: Workplace) -> None:
    """In its folder, and in a folder that sorts below; a restart lies between."""
    place.put("m/5.ndjson.gz", [5])
    ingest.run(place.config)
    for name, id_ in (("m/1.ndjson.gz", 1), ("a/9.ndjson.gz", 9), ("0.ndjson.gz", 0)):
        place.put(name, [id_])
        ingest.run(place.config)

    assert place.rows() == [0, 1, 5, 9]


@pytest.mark.case("viii")
def test_new_content_under_a_taken_name_is_told_and_neither_read_nor_doubled(
    place: Workplace,
) -> None:
    """Larger, or of the same size; seen after a restart as well."""
    place.put("grown.ndjson.gz", [1])
    place.put_bytes("equal.ndjson", b'{"id": 2}\n')
    ingest.run(place.config)
    place.put("grown.ndjson.gz", [1, 10])
    place.put_bytes("equal.ndjson", b'{"id": 3}\n')

    for _ in range(2):
        assert ingest.run(place.config).exit_code == 0

    assert place.rows() == [1, 2]
    assert [row.state for row in ingest.files(place.config)] == ["changed", "changed"]


@pytest.mark.case("xii")
@pytest.mark.case("k26")
@pytest.mark.parametrize("ending", ["ndjson", "jsonl", "json"])
def test_every_ending_is_listed_and_the_content_decides_how_it_is_read(
    place: Workplace, ending: str
) -> None:
    line = b'{"id": %d}\n'
    place.put_bytes(f"a.{ending}", line % 1)
    place.put_bytes(f"b.{ending}.gz", gzip.compress(line % 2))
    place.put_bytes(f"c.{ending}.zst", zstd.compress(line % 3))
    place.put_bytes(f"d.{ending}.gz", zstd.compress(line % 4))
    place.put_bytes(f"e.{ending}", gzip.compress(line % 5))

    ingest.run(place.config)

    assert place.rows() == [1, 2, 3, 4, 5]
    assert not list(ingest.dead_letters(place.config))


@pytest.mark.case("dlq")
def test_a_dead_letter_names_its_file_stage_class_and_bytes(place: Workplace) -> None:
    """A line can be found again, and put through again, from its letter alone."""
    place.put("deep/a.ndjson.gz", [1], '{"id": "2"}')
    place.put_bytes("b.ndjson.gz", b"not gzip")
    ingest.run(place.config)

    file, line = sorted(ingest.dead_letters(place.config), key=lambda letter: letter.name)

    assert (line.source, line.name, line.line) == ("main", "deep/a.ndjson.gz", 2)
    assert (line.stage, line.error_class, line.column) == ("decode", "type", "id")
    assert line.raw == b'{"id": "2"}'
    assert (file.name, file.line, file.stage) == ("b.ndjson.gz", 0, "read")
    assert file.error_class == "not-compressed"


@pytest.mark.case("dlq-all")
@pytest.mark.case("k27")
def test_no_dead_letter_is_ever_written_over(place: Workplace) -> None:
    """Of many failures over many plans and runs, every one is kept; files once written stay as they are."""
    shelf = place.root / "lake/t/_penstock/p/dlq"
    before: dict[Path, bytes] = {}
    for run in range(3):
        for number in range(4):
            place.put(f"{run}-{number}.ndjson.gz", [run], "nonsense", "\"'\\")
        ingest.run(place.config)
        assert {path: path.read_bytes() for path in before} == before
        before = {path: path.read_bytes() for path in shelf.iterdir()}

    letters = sorted((x.name, x.line, x.raw) for x in ingest.dead_letters(place.config))

    assert letters == [
        (f"{run}-{number}.ndjson.gz", line, raw)
        for run in range(3)
        for number in range(4)
        for line, raw in ((2, b"nonsense"), (3, b"\"'\\"))
    ]
