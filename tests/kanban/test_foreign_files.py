"""What somebody else puts into a bucket."""

import os
from pathlib import Path

import pytest

from penstock.kanban import Seat
from tests.kanban.boards import ids, make_bucket


def drop(path: Path, text: str, *, age: float = 10.0) -> Path:
    """Write a file as an editor does, so many seconds ago."""
    path.write_text(text)
    then = path.stat().st_mtime - age
    os.utime(path, (then, then))
    return path


@pytest.mark.case("b02")
def test_a_token_made_by_hand_is_taken_after_two_seconds(tmp_path: Path) -> None:
    """Half of a file is never read, because nobody looks before it has stood still."""
    bucket = make_bucket(tmp_path / "in")
    path = drop(tmp_path / "in" / "12345.json", '{"barcode": 12345, "shelf": "A"}', age=-60)

    with Seat(bucket, "w") as seat:
        assert seat.claim() == []
        os.utime(path, (1e9, 1e9))
        (claim,) = seat.claim()

        assert claim.token.id == "12345"
        assert claim.token.fields == {"shelf": "A"}


def test_id_is_another_word_for_barcode(tmp_path: Path) -> None:
    bucket = make_bucket(tmp_path / "in")
    drop(tmp_path / "in" / "x.json", '{"id": "x", "storage_bucket": "var/done"}')

    with Seat(bucket, "w") as seat:
        assert seat.claim()[0].token.done_bucket == "var/done"


@pytest.mark.case("b02")
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_token_may_be_in_any_encoding_of_json(tmp_path: Path, encoding: str) -> None:
    """Editors of other systems begin with a mark, or write two bytes per letter."""
    bucket = make_bucket(tmp_path / "in")
    path = tmp_path / "in" / "x.json"
    path.write_text('{"id": "x", "title": "Bücher", "half": "\\ud800"}', encoding=encoding)
    os.utime(path, (1e9, 1e9))

    with Seat(bucket, "w") as seat:
        (claim,) = seat.claim()

        assert claim.token.fields == {"title": "Bücher", "half": "\ud800"}
        seat.hands.clear()  # half a character cannot be written down again


def test_half_a_file_becomes_an_error_with_a_note_and_stops_nobody(tmp_path: Path) -> None:
    """The worker goes on with the next."""
    bucket = make_bucket(tmp_path / "in")
    drop(tmp_path / "in" / "half.json", '{"barcode": "ha')
    drop(tmp_path / "in" / "wrong.json", '{"barcode": "other"}')
    drop(tmp_path / "in" / "good.json", "{}")

    with Seat(bucket, "w") as seat:
        assert [claim.token.id for claim in seat.claim(9)] == ["good"]

    errors = tmp_path / "in" / "errors"
    assert (errors / "half.json").read_text() == '{"barcode": "ha'
    assert "not JSON" in (errors / "half.json.reason").read_text()
    assert "rename one of them" in (errors / "wrong.json.reason").read_text()
    assert bucket.counts().errors == 2


def test_other_files_and_directories_are_left_alone_and_named(tmp_path: Path) -> None:
    bucket = make_bucket(tmp_path / "in")
    for name in ("README", "b1.json~", ".hidden.json"):
        drop(tmp_path / "in" / name, "{}")
    (tmp_path / "in" / "folder").mkdir()

    with Seat(bucket, "w") as seat:
        assert seat.claim() == []

    assert bucket.foreign() == [".hidden.json", "README", "b1.json~", "folder"]


def test_a_directory_named_as_a_token_is_an_error(tmp_path: Path) -> None:
    bucket = make_bucket(tmp_path / "in")
    (tmp_path / "in" / "d.json").mkdir()
    os.utime(tmp_path / "in" / "d.json", (1e9, 1e9))

    with Seat(bucket, "w") as seat:
        assert seat.claim() == []

    assert "cannot be read" in (tmp_path / "in" / "errors" / "d.json.reason").read_text()
    assert ids(bucket) == []
