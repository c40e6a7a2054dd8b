"""A file that cannot be read whole gives no row, one dead letter, and harms nobody beside it."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from penstock import ingest
from penstock.ingest import DeadLetter
from tests.ingest.workplace import Workplace

pytestmark = pytest.mark.slow
_PLAIN = b"".join(
    json.dumps({"id": i, "v": f"{i * 7919:09}"}).encode() + b"\n" for i in range(3000)
)
_PACKED = gzip.compress(_PLAIN, mtime=0)


def flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :]


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    """Two good files whose names stand around the broken one, in one plan with it."""
    made = Workplace(tmp_path)
    made.configure(max_files=3)
    made.put("a.ndjson.gz", [-1])
    made.put("z.ndjson.gz", [-2])
    return made


def letters(place: Workplace) -> list[DeadLetter]:
    return list(ingest.dead_letters(place.config))


@pytest.mark.parametrize(
    ("content", "error"),
    [
        pytest.param(
            _PACKED[: len(_PACKED) * 2 // 3],
            "truncated",
            id="truncated",
            marks=pytest.mark.case("ii-a"),
        ),
        pytest.param(
            flipped(_PACKED, len(_PACKED) - 6),
            "checksum",
            id="checksum",
            marks=pytest.mark.case("ii-b"),
        ),
        pytest.param(
            gzip.compress(_PLAIN, 0)[:50_000] + b"\x00" + gzip.compress(_PLAIN, 0)[50_001:],
            "checksum",
            id="a byte flipped",
            marks=pytest.mark.case("ii-c"),
        ),
        pytest.param(
            _PLAIN[:1000], "not-compressed", id="not gzip", marks=pytest.mark.case("ii-d")
        ),
    ],
)
def test_a_broken_file_gives_no_row_and_one_letter_however_often_it_is_met(
    place: Workplace, content: bytes, error: str
) -> None:
    """It is tried once, then quarantined: it does not come back at each look, and is never forgotten."""
    place.put_bytes("m.ndjson.gz", content)

    for _ in range(4):
        assert ingest.run(place.config).exit_code == 0

    assert place.rows() == [-2, -1]
    assert [(x.name, x.line, x.error_class) for x in letters(place)] == [("m.ndjson.gz", 0, error)]
    [row] = [row for row in ingest.files(place.config) if row.name == "m.ndjson.gz"]
    assert (row.state, row.error) == ("dead", error)


@pytest.mark.case("ii-c")
def test_bytes_flipped_anywhere_never_give_a_part_of_a_file(place: Workplace) -> None:
    """Wherever damage lies: all rows or none."""
    step = len(_PACKED) // 12
    for number, at in enumerate(range(11, len(_PACKED), step)):
        place.put_bytes(f"m{number}.ndjson.gz", flipped(_PACKED, at))

    assert ingest.run(place.config).exit_code == 0

    assert [row for row in place.rows() if row < 0] == [-2, -1]
    assert len(place.rows()) % 3000 == 2
    dead = [row for row in ingest.files(place.config) if row.state == "dead"]
    assert len(letters(place)) == len(dead) >= 11


@pytest.mark.case("ii-e")
def test_all_members_of_a_gzip_file_are_read(place: Workplace) -> None:
    """`cat a.gz b.gz` is what many log shippers make; an empty member may stand between."""
    halves = [gzip.compress(_PLAIN[: len(_PLAIN) // 2]), gzip.compress(_PLAIN[len(_PLAIN) // 2 :])]
    place.put_bytes("m.ndjson.gz", gzip.compress(b"").join(halves) + b"\0" * 512)

    ingest.run(place.config)

    assert place.rows() == [-2, -1, *range(3000)]


@pytest.mark.case("vii")
@pytest.mark.parametrize("make", [bytes, gzip.compress], ids=["0 bytes", "gzip of nothing"])
def test_a_file_of_nothing_is_done_with_no_row_and_no_letter(
    place: Workplace, make: Callable[[bytes], bytes]
) -> None:
    place.put_bytes("m.ndjson.gz", make(b""))

    ingest.run(place.config)

    assert place.rows() == [-2, -1]
    assert letters(place) == []
    assert [row.state for row in ingest.files(place.config)] == ["committed"] * 3
