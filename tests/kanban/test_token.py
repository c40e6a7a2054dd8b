"""What a token looks like in its file, and what does not go into one."""

import json
import math
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from penstock.kanban import DataRef, Priority, Token, TokenError
from penstock.kanban._token import Visit, decode, stamp
from tests.kanban.boards import make_token

VISIT = Visit("decryptor", "decryptor-1", "2026-01-01T00:00:00.000Z", "2026-01-01T00:00:01.000Z")


def full() -> Token:
    """A token that has everything that a token may have."""
    return Token(
        "b1",
        "processing",
        "done",
        Priority.HIGH,
        (DataRef("b1.tar.gz", 10, "9f86d0"),),
        attempts=2,
        history=(Visit("downloader", "downloader-1", "", "", "retry", "no answer"),),
        reason="why",
        not_before="2026-01-01T00:00:00.000Z",
        fields={"title": "ünïcode \u2028", "pages": [1, {"size": 0.5}], "none": None},
    )


def test_a_token_that_was_written_is_read_as_it_was() -> None:
    """Its file is all that there is of it."""
    text = full().encode().decode()

    found = Token.parse(text, place="here")

    assert found == full()


def test_a_token_has_a_line_for_each_value() -> None:
    """People read them with `less`, and compare them with `diff`."""
    lines = make_token(fields={"title": "x", "pages": 3}).encode().decode().splitlines()

    assert [line.strip(" ,") for line in lines[1:4]] == [
        '"barcode": "b1"',
        '"title": "x"',
        '"pages": 3',
    ]


@pytest.mark.parametrize("token", [make_token(), full()], ids=["bare", "full"])
def test_what_moves_on_is_written_as_its_changed_copy_would_be(token: Token) -> None:
    """The copy is left out for speed alone."""
    copy = token.with_visit(VISIT, attempts=0, reason="", not_before="")

    assert token.encode_anew(VISIT) == copy.encode()


def test_of_a_long_history_what_moves_on_keeps_the_last_visits() -> None:
    """A token that goes round for years stays small."""
    old = Visit("downloader", "downloader-1")
    token = make_token(history=(old,) * 200)

    history = json.loads(token.encode_anew(VISIT))["history"]

    assert len(history) == 200
    assert history[-1]["stage"] == "decryptor"


@pytest.mark.parametrize(
    "value",
    [{1, 2}, b"bytes", datetime(2026, 1, 1, tzinfo=UTC), [b"inside"], {"inside": {1}}],
    ids=["set", "bytes", "moment", "in a list", "in an object"],
)
def test_what_json_has_no_word_for_is_refused(value: object) -> None:
    """It would be read as something else than was written."""
    token = make_token(fields={"value": value})

    with pytest.raises(TokenError, match="not JSON serializable; they hold texts"):
        token.encode()


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ((1, 2), [1, 2]),
        (Priority.LOW, "low"),
        ({1: {None: 2}}, {"1": {"null": 2}}),
        ([math.inf], [math.inf]),
    ],
    ids=["tuple", "word", "numbered", "infinity"],
)
def test_what_has_a_likeness_in_json_is_written_as_that(value: Any, written: Any) -> None:
    """As the standard library does."""
    token = make_token(fields={"value": value})

    assert json.loads(token.encode())["value"] == written


def test_what_has_only_a_likeness_stands_beside_the_history_of_its_token() -> None:
    """Another encoder writes such a token, and the same document."""
    token = replace(full(), fields={"value": (1,)})

    assert token.encode() == replace(token, fields={"value": [1]}).encode()


@pytest.mark.parametrize("value", [1e300, -1e16, 1e16, 1.5, 1e-7, -0.0])
def test_numbers_are_written_as_the_standard_library_writes_them(value: float) -> None:
    """Two versions of a file differ in what has changed."""
    assert f'"value": {value!r}'.replace("e-0", "e-") in make_token(
        fields={"value": value}
    ).encode().decode().replace("e-0", "e-")


def test_a_visit_has_its_result_in_the_file_and_no_empty_text() -> None:
    """`done` is the result that people look for."""
    written = json.loads(make_token(history=(VISIT,)).encode())["history"]

    assert written == [
        {"stage": "decryptor", "worker": "decryptor-1", "start": VISIT.start, "end": VISIT.end}
        | {"result": "done"}
    ]


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"reason": 5}, "expected reason to be text, got 5"),
        ({"storage_bucket": None}, "expected storage_bucket to be text, got None"),
        ({"done_bucket": None, "storage_bucket": "x"}, "expected done_bucket to be text, got None"),
        ({"history": {}}, "expected history to be a list, got {}"),
        ({"data": None}, "expected data to be a list, got None"),
        ({"history": [{"worker": "w"}]}, "stage"),
        ({"data": [{"path": "a", "size": 1, "sum": "b"}]}, "sum"),
        ({"priority": "soon"}, "'soon' is not a valid Priority"),
        ({"format": "other/1"}, "expected format 'penstock-token/1', got 'other/1'"),
        ({"barcode": None}, "its id is None"),
    ],
)
def test_what_is_wrong_in_a_token_is_named(values: dict[str, Any], problem: str) -> None:
    """Its place, the key, and what was found there."""
    data = json.dumps({"id": "b1", **values}).encode()

    with pytest.raises(TokenError, match=re.escape(problem)) as caught:
        decode(data, place="in/b1.json", stem="b1")

    assert caught.value.place == "in/b1.json"


def test_nobody_asks_for_the_other_name_of_the_done_bucket() -> None:
    data = b'{"id": "b1", "done_bucket": "done", "storage_bucket": null, "shelf": "A"}'

    token, ours = decode(data, place="in/b1.json", stem="b1")

    assert (token.done_bucket, token.fields, ours) == ("done", {"shelf": "A"}, False)


@pytest.mark.parametrize("microsecond", [0, 1, 999, 1000, 500_000, 999_999])
def test_a_moment_is_written_to_the_millisecond_below(microsecond: int) -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, microsecond, tzinfo=UTC)

    assert stamp(moment) == f"2026-01-02T03:04:05.{microsecond // 1000:03}Z"
