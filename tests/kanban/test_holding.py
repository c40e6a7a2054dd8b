"""Tokens that are held back until somebody releases them, and tokens that people let in."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from penstock.base import Failpoints
from penstock.kanban import (
    Bucket,
    DataRef,
    KanbanError,
    Limit,
    Operator,
    Priority,
    Seat,
    Token,
    TokenError,
    recover,
)
from penstock.kanban._repair import hold, release, retry
from penstock.kanban._seeding import Seeder
from tests.kanban.boards import everywhere, ids, make_bucket, make_token
from tests.kanban.workers import ended, worker


def make_operator(root: Path, **of_the_second: Any) -> Operator:
    filters = [
        {"name": "one", "class": "Archiver", "input_pipe": "p/0", "output_pipe": "p/1"},
        {"name": "two", "class": "Archiver", "input_pipe": "p/1", "output_pipe": "p/2", **of_the_second},
    ]  # fmt: skip
    (root / "penstock.kanban.yaml").write_text(
        json.dumps({"global": {"sync": False}, "filters": filters})
    )
    return Operator(root / "penstock.kanban.yaml", os.environ)


def test_what_is_held_is_taken_by_nobody_until_it_is_released(tmp_path: Path) -> None:
    bucket = make_bucket(tmp_path / "in")
    bucket.put_many([make_token(n) for n in range(3)])
    with Seat(bucket, "w") as seat:
        seat.delay(seat.claim()[0], 3600, "later")

    assert hold(bucket, frozenset({"0", "1"})) == 2
    with Seat(bucket, "w") as seat:
        assert [claim.token.id for claim in seat.claim(3)] == ["2"]
    assert (bucket.counts().held, ids(bucket, "held")) == (2, ["0", "1"])
    assert retry(bucket) == 0

    assert release(bucket, frozenset({"1"})) == 1
    assert release(bucket) == 1
    assert ids(bucket) == ["0", "1", "2"]
    (token,) = (token for token in bucket.tokens() if token.id == "1")
    assert [visit.result for visit in token.history] == ["held", "released"]


def test_a_release_lets_as_many_in_as_there_is_room_for_the_oldest_first(tmp_path: Path) -> None:
    """A bag of held tokens does not count; poured out at once it would pass the limit."""
    bucket = make_bucket(tmp_path / "in", limit=Limit(tokens=2))
    for number in range(5):
        make_bucket(tmp_path / "in").put(make_token(number))
        hold(bucket)
        os.utime(f"{bucket.places.held}/{number}.json", (1e9 - number, 1e9 - number))

    assert release(bucket, most=1) == 1
    assert ids(bucket) == ["4"]
    assert release(bucket) == 1
    assert release(bucket) == 0
    assert (ids(bucket), ids(bucket, "held")) == (["3", "4"], ["0", "1", "2"])


def test_a_filter_may_hold_all_that_comes_to_it(tmp_path: Path) -> None:
    """Whichever way it comes: moved, split, put, or taken out of the hands of the dead."""
    first = make_bucket(tmp_path / "1")
    second = make_bucket(tmp_path / "2", hold=True)
    first.put_many([make_token("moved"), make_token("split")])
    second.put(make_token("put"))
    with Seat(first, "w", into=second) as seat:
        one, other = seat.claim(2)
        seat.move(one, one.token)
        seat.split([other], [make_token(f"{other.token.id}.{n}") for n in range(2)])

    held = sorted(["put", one.token.id, f"{other.token.id}.0", f"{other.token.id}.1"])
    assert everywhere(first, second) == held
    assert ids(second, "held") == held
    with Seat(second, "w") as seat:
        assert seat.claim() == []
        release(second)
        assert len(seat.claim(9)) == 4


def test_what_the_dead_had_decided_is_held_as_well(tmp_path: Path) -> None:
    first, second = make_bucket(tmp_path / "1"), make_bucket(tmp_path / "2")
    first.put(make_token("book"))

    def die() -> None:
        bucket = Bucket(first.path, sync=False, failpoints=Failpoints.parse("seat.decided=kill"))
        with Seat(bucket, "victim", into=Bucket(second.path, sync=False, hold=True)) as seat:
            seat.split(seat.claim(), [make_token("book.0")])

    with worker(die) as pid:
        ended(pid)
    recover(first)

    assert ids(second, "held") == ["book.0"]


def test_a_hold_in_the_configuration_is_for_the_bucket_that_the_filter_takes_from(
    tmp_path: Path,
) -> None:
    operator = make_operator(tmp_path, hold=True)
    operator.add(["a", "b"])
    operator.add(["c"], "p/1")

    assert ids(operator.board.bucket("p/1"), "held") == ["c"]
    assert operator.release(["c"], "p/1") == 1
    assert operator.hold(["a"]) == 1
    assert operator.release() == 1
    with pytest.raises(KanbanError, match=r"has no bucket 'p/9'; there are: p/0, p/1, p/2"):
        operator.hold(pipe="p/9")


def test_a_token_can_be_let_in_with_data_and_priority_anywhere_in_the_chain(tmp_path: Path) -> None:
    operator = make_operator(tmp_path)
    (tmp_path / "var" / "processing").mkdir(parents=True)
    (tmp_path / "var" / "processing" / "b1.zst").write_bytes(b"content")
    token = Token("b1", priority=Priority.HIGH, data=(DataRef("b1.zst", 0),), fields={"shelf": "A"})

    assert operator.add([token, "b2"], "p/1") == 2
    assert operator.add([token]) == 0

    pipe, part, found = operator.token("b1")
    assert (pipe, part, found.priority, found.fields) == ("p/1", "waiting", "high", {"shelf": "A"})
    assert (found.data[0].size, len(found.data[0].sha256)) == (7, 64)
    assert found.processing_bucket == "var/processing"
    with pytest.raises(TokenError, match=r"its data file .*absent does not exist"):
        operator.add([Token("b3", data=(DataRef("absent", 0),))])


def test_ids_for_which_there_is_no_room_enter_when_there_is(tmp_path: Path) -> None:
    """In the bucket that they were meant for."""
    operator = make_operator(tmp_path, wip_limit=1)
    assert operator.add(["a", "b"], "p/1") == 1
    bucket = operator.board.bucket("p/1")
    with Seat(bucket, "w") as seat:
        seat.discard(seat.claim()[0])
    Seeder(operator.board, operator.ledger()).seed()

    assert ids(bucket) == ["b"]


def test_whole_tokens_are_read_from_a_file(tmp_path: Path) -> None:
    found = Token.parse('{"barcode": "b1", "priority": "low", "shelf": "A"}', place="f:1")

    assert (found.id, found.priority, found.fields) == ("b1", "low", {"shelf": "A"})
    for text in ("[1]", "{", "{}", '{"barcode": "b", "priority": "soon"}'):
        with pytest.raises(TokenError, match="f:1"):
            Token.parse(text, place="f:1")
