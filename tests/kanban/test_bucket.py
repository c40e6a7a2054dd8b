"""Putting, claiming and moving on."""

import json
import os
from pathlib import Path

import pytest

from penstock.kanban import (
    BucketError,
    DataRef,
    Limit,
    Priority,
    Seat,
    Token,
    TokenError,
    TokenExistsError,
)
from penstock.kanban._repair import retry
from tests.kanban.boards import everywhere, ids, make_bucket, make_token


def test_a_token_that_was_put_can_be_read_by_anyone(tmp_path: Path) -> None:
    bucket = make_bucket(tmp_path / "in")

    bucket.put(make_token("b.1", processing_bucket="var/p", data=(DataRef("b.gpg", 7, "ab"),)))

    document = json.loads((tmp_path / "in" / "b.1.json").read_text())
    assert document["barcode"] == "b.1"
    assert document["data"] == [{"path": "b.gpg", "size": 7, "sha256": "ab"}]


@pytest.mark.case("b05")
def test_names_with_dots_are_kept_whole(tmp_path: Path) -> None:
    """Cutting at a dot would make one token of two."""
    bucket = make_bucket(tmp_path / "in")

    bucket.put_many([make_token("a.1"), make_token("a.2"), make_token("a")])

    assert ids(bucket) == ["a", "a.1", "a.2"]


def test_an_id_stands_for_one_token(tmp_path: Path) -> None:
    bucket = make_bucket(tmp_path / "in")
    bucket.put(make_token("b1", fields={"first": True}))

    with pytest.raises(TokenExistsError, match="holds a token 'b1' already"):
        bucket.put(make_token("b1"))

    assert [token.fields for token in bucket.tokens()] == [{"first": True}]
    assert not any((tmp_path / "in" / "tmp").iterdir())


@pytest.mark.parametrize("identity", ["", "a/b", ".hidden", "x\n", "y" * 201, "\0"])
def test_an_id_that_is_no_file_name_is_refused(identity: str) -> None:
    with pytest.raises(TokenError):
        Token(identity)


def test_a_claim_is_seen_in_the_workers_directory_and_moves_on_once(tmp_path: Path) -> None:
    first, second = make_bucket(tmp_path / "1"), make_bucket(tmp_path / "2")
    first.put(make_token("b1"))

    with Seat(first, "w1", into=second) as seat:
        (claim,) = seat.claim(5)
        assert (tmp_path / "1" / "claimed" / "w1" / "b1.json").exists()
        seat.move(claim, claim.token.with_fields(pages=3))

    (token,) = second.tokens()
    assert everywhere(first, second) == ["b1"]
    assert token.fields == {"pages": 3}
    assert [(visit.stage, visit.worker, visit.result) for visit in token.history] == [
        ("1", "w1", "done")
    ]


@pytest.mark.case("b01")
def test_losing_the_race_for_a_token_is_no_error(tmp_path: Path) -> None:
    """Of two workers that saw the same token, one has it, and the other knows that it has not."""
    bucket = make_bucket(tmp_path / "in")
    bucket.put_many([make_token(n) for n in range(4)])

    with Seat(bucket, "w1") as one, Seat(bucket, "w2") as two:
        claims = [*one.claim(1), *two.claim(1), *one.claim(1), *two.claim(1)]
        assert one.claim() == two.claim() == []

        assert sorted(claim.token.id for claim in claims) == ["0", "1", "2", "3"]


def test_a_token_moves_into_no_other(tmp_path: Path) -> None:
    first, second = make_bucket(tmp_path / "1"), make_bucket(tmp_path / "2")
    first.put(make_token("b1"))
    second.put(make_token("b1", fields={"theirs": 1}))

    with Seat(first, "w1", into=second) as seat, pytest.raises(TokenExistsError):
        seat.move(seat.claim()[0], make_token("b1"))

    assert [token.fields for token in second.tokens()] == [{"theirs": 1}]
    (failed,) = first.tokens("errors")
    assert "holds a token 'b1' already" in failed.reason
    assert [visit.result for visit in failed.history] == ["done", "failed"]


@pytest.mark.case("b06")
def test_the_more_urgent_and_the_older_go_first(tmp_path: Path) -> None:
    """And a directory is the priority, so that `mv` changes it."""
    bucket = make_bucket(tmp_path / "in")
    for age, (identity, priority) in enumerate(
        [("n2", "normal"), ("n1", "normal"), ("l1", "low"), ("h1", "high")]
    ):
        bucket.put(make_token(identity, priority=Priority(priority)))
        os.utime(
            bucket.places.waiting(identity, Priority(priority)), (1e9 - age * 60, 1e9 - age * 60)
        )

    with Seat(bucket, "w") as seat:
        assert [seat.claim()[0].token.id for _ in range(4)] == ["h1", "n1", "n2", "l1"]


def test_a_low_priority_is_late_but_never_forgotten(tmp_path: Path) -> None:
    bucket = make_bucket(tmp_path / "in")
    bucket.put(make_token("old", priority=Priority.LOW))
    os.utime(bucket.places.waiting("old", Priority.LOW), (1e9, 1e9))
    bucket.put_many([make_token(n, priority=Priority.HIGH) for n in range(20)])

    with Seat(bucket, "w") as seat:
        assert "old" in [seat.claim()[0].token.id for _ in range(8)]


def test_an_urgent_token_does_not_wait_for_those_that_were_seen_before_it(tmp_path: Path) -> None:
    bucket = make_bucket(tmp_path / "in")
    bucket.put_many([make_token(n) for n in range(5)])

    with Seat(bucket, "w") as seat:
        seat.claim()
        bucket.put(make_token("urgent", priority=Priority.HIGH))
        assert seat.claim()[0].token.id == "urgent"


def test_an_error_keeps_its_reason_until_somebody_lets_it_try_again(tmp_path: Path) -> None:
    bucket = make_bucket(tmp_path / "in")
    bucket.put(make_token("b1"))
    with Seat(bucket, "w") as seat:
        seat.fail(seat.claim()[0], "the archive is damaged")

    (failed,) = bucket.tokens("errors")
    assert failed.reason == "the archive is damaged"
    assert retry(bucket, frozenset({"other"})) == 0
    assert retry(bucket) == 1

    (again,) = bucket.tokens()
    assert (again.reason, again.attempts) == ("", 0)
    assert [visit.result for visit in again.history] == ["failed", "released"]


@pytest.mark.case("b06")
def test_what_failed_for_now_comes_back_when_its_time_has_come(tmp_path: Path) -> None:
    """Attempts are counted, and the next one waits."""
    bucket = make_bucket(tmp_path / "in")
    bucket.put(make_token("b1"))

    with Seat(bucket, "w") as seat:
        seat.delay(seat.claim()[0], 3600, "the provider does not answer")
        assert seat.claim() == []
        assert seat.next_due() is not None
        os.utime(tmp_path / "in" / "delayed" / "b1.json", (1e9, 1e9))
        bucket.put(make_token("b2"))
        taken = {claim.token.id: claim.token.attempts for claim in seat.claim(2)}

    assert taken == {"b1": 1, "b2": 0}


def test_what_is_in_hand_when_a_worker_leaves_goes_back(tmp_path: Path) -> None:
    bucket = make_bucket(tmp_path / "in")
    bucket.put(make_token("b1"))

    with Seat(bucket, "w") as seat:
        seat.claim()

    assert ids(bucket) == ["b1"]
    assert not any((tmp_path / "in" / "claimed").iterdir())


def test_one_becomes_many_and_many_one(tmp_path: Path) -> None:
    first, second, third = (make_bucket(tmp_path / name) for name in "123")
    first.put(make_token("book"))

    with Seat(first, "w", into=second) as seat:
        seat.split(seat.claim(), [make_token(f"book.{n}") for n in range(3)])
    assert everywhere(first, second) == ["book.0", "book.1", "book.2"]
    with Seat(second, "w", into=third) as seat:
        seat.split(seat.claim(3), [make_token("book")])

    assert everywhere(first, second, third) == ["book"]
    assert ids(third) == ["book"]


def test_children_need_ids_of_their_own(tmp_path: Path) -> None:
    first, second = make_bucket(tmp_path / "1"), make_bucket(tmp_path / "2")
    first.put(make_token("book"))

    with Seat(first, "w", into=second) as seat, pytest.raises(TokenError, match="ids of their own"):
        seat.split(seat.claim(), [make_token("x"), make_token("x")])

    assert ids(first) == ["book"]


def test_a_bucket_with_shelves_is_as_any_other(tmp_path: Path) -> None:
    first = make_bucket(tmp_path / "1", fan_out=True)
    second = make_bucket(tmp_path / "2", fan_out=True)
    first.put_many([make_token(n) for n in range(300)])

    with Seat(first, "w", into=second) as seat:
        for claim in seat.claim(300):
            seat.move(claim, claim.token)

    assert second.counts().waiting == 300
    assert first.counts().content == 0


def test_a_limit_counts_what_waits_is_claimed_or_delayed_and_no_errors(tmp_path: Path) -> None:
    bucket = make_bucket(tmp_path / "in", limit=Limit(tokens=3))
    assert bucket.put_many([make_token(n) for n in range(5)]) == 3

    with Seat(bucket, "w") as seat:
        one, two = seat.claim(2)
        assert not bucket.put(make_token("more"))
        seat.delay(one, 3600, "later")
        assert not bucket.put(make_token("more"))
        seat.fail(two, "bad")
        assert bucket.put(make_token("more"))


def test_a_limit_may_be_in_bytes_and_a_giant_enters_alone(tmp_path: Path) -> None:
    bucket = make_bucket(tmp_path / "in", limit=Limit(size=100))
    sized = [make_token(n, data=(DataRef("x", 60),)) for n in range(2)]
    giant = make_token("giant", data=(DataRef("x", 1000),))

    assert bucket.put_many(sized) == 1
    with Seat(bucket, "w") as seat:
        seat.discard(seat.claim()[0])
    assert bucket.put(giant)
    assert not bucket.put(make_token("more", data=(DataRef("x", 1),)))


def test_room_downstream_is_taken_with_the_claim(tmp_path: Path) -> None:
    """So that finished work never waits."""
    first = make_bucket(tmp_path / "1")
    second = make_bucket(tmp_path / "2", limit=Limit(tokens=2), feeders=[first.path])
    first.put_many([make_token(n) for n in range(5)])

    with Seat(first, "w", into=second) as seat:
        claims = seat.claim(5)
        assert len(claims) == 2
        assert not second.put(make_token("rival"))
        for claim in claims:
            seat.move(claim, claim.token)
        assert seat.claim() == []

    assert second.counts().content == 2


def test_neighbours_on_two_file_systems_are_refused_by_name(tmp_path: Path) -> None:
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system here")
    first = make_bucket(tmp_path / "1")
    second = make_bucket(other / f"penstock-{os.getpid()}")
    try:
        with pytest.raises(BucketError, match="all buckets of a board lie on one file system"):
            Seat(first, "w", into=second).__enter__()
    finally:
        for folder in reversed(second.places.directories()):
            Path(folder).rmdir()
