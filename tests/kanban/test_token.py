"""What a token looks like in its file, and what does not go into one."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from penstock.kanban import DataRef, Priority, Token, TokenError
from penstock.kanban._token import Visit
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
    [((1, 2), [1, 2]), (Priority.LOW, "low"), ({1: {None: 2}}, {"1": {"null": 2}})],
    ids=["tuple", "word", "numbered"],
)
def test_what_has_a_likeness_in_json_is_written_as_that(value: Any, written: Any) -> None:
    """As the standard library does."""
    token = make_token(fields={"value": value})

    assert json.loads(token.encode())["value"] == written
