"""Dead letters come back as they were written, or the file is named as damaged."""

import io
import re
from datetime import UTC, datetime

import pytest
from backports import zstd
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.base import RecordError
from penstock.ingest import DeadLetter
from penstock.ingest._dead_letters import DeadLetterWriter, payload_of, read_dead_letters
from penstock.ingest._decoder import LineError, RejectedLine
from penstock.ingest._file_letters import describe


@pytest.mark.parametrize("error", LineError)
def test_every_reason_for_a_dead_letter_is_a_sentence_with_its_place(error):
    """People read the sentence; the class is for programs."""
    said = describe(RejectedLine(7, 100, 20, error, "actor.id", 3))

    assert re.fullmatch(r"line 7, byte 3: actor\.id: [\w ,'+-]{8,}", said)


def letter(raw, line=1):
    payload, payload_b64 = payload_of(raw)
    return DeadLetter(
        id=f"p/1/s/f:{line}", at=datetime(2024, 1, 1, tzinfo=UTC), pipeline="p", lane="l", seq=1,
        stage="decode", error_class="syntax", message="m", source="s", name="f", version="v",
        line=line, length=len(raw), payload=payload, payload_b64=payload_b64,
    )  # fmt: skip


def written(raws, path):
    writer = DeadLetterWriter(path)
    for number, raw in enumerate(raws):
        writer.append(io.BytesIO(letter(raw, number).encode() + b"\n"), 1)
    return writer.finish()


@pytest.mark.case("k27")
@settings(deadline=None)
@given(
    st.lists(st.one_of(st.binary(max_size=50), st.text(max_size=50).map(str.encode)), min_size=1)
)
def test_any_bytes_come_back(raws):
    """UTF-8 is kept as text, anything else as base64; quotes and newlines harm nothing."""
    encoded = b"".join(letter(raw, number).encode() + b"\n" for number, raw in enumerate(raws))
    found = list(read_dead_letters(io.BytesIO(zstd.compress(encoded)), place="here"))
    assert [entry.raw for entry in found] == raws
    assert found == [letter(raw, number) for number, raw in enumerate(raws)]


def test_the_same_letters_give_the_same_file(tmp_path):
    """One line each, in their order."""
    first = written([b"a", b"\xff", b'"\n'], tmp_path / "a")
    second = written([b"a", b"\xff", b'"\n'], tmp_path / "b")
    assert (first.sha256, first.size, first.letters) == (second.sha256, second.size, 3)
    assert zstd.decompress(first.path.read_bytes()).count(b"\n") == 3


def test_no_letter_makes_no_file(tmp_path):
    writer = DeadLetterWriter(tmp_path / "a")
    writer.append(io.BytesIO(b""), 0)
    assert writer.finish() is None
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_file_is_named():
    """Cut short, or a line that is no letter."""
    whole = zstd.compress(letter(b"x").encode() + b"\n")
    with pytest.raises(RecordError, match="here is damaged"):
        list(read_dead_letters(io.BytesIO(whole[:-3]), place="here"))
    with pytest.raises(RecordError, match="here, line 1, is not a DeadLetter"):
        list(read_dead_letters(io.BytesIO(zstd.compress(b'{"v":1}\n')), place="here"))
