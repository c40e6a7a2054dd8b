"""Workers that die, are stopped, or only seem to be gone."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.base import Failpoints
from penstock.kanban import Bucket, Limit, Seat, recover
from tests.kanban.boards import everywhere, ids, make_bucket, make_token
from tests.kanban.workers import Gate, ended, worker


@pytest.fixture
def gate() -> Iterator[Gate]:
    opened = Gate()
    yield opened
    opened.close()


def dying_at(point: str, first: Path, second: Path, *, children: int = 0) -> None:
    """A worker that claims a token and is killed at a point on its way."""
    points = Failpoints.parse(f"{point}=kill")
    bucket, into = Bucket(first, sync=False, failpoints=points), Bucket(second, sync=False)
    with Seat(bucket, "victim", into=into) as seat:
        (claim,) = seat.claim()
        if children:
            seat.split([claim], [make_token(f"{claim.token.id}.{n}") for n in range(children)])
        elif point == "seat.returned":
            seat.fail(claim, "bad")
        else:
            seat.move(claim, claim.token)


@pytest.mark.parametrize(
    ("point", "attempts"), [("seat.claimed", 1), ("seat.rewritten", 1), ("seat.returned", 2)]
)
@pytest.mark.case("b03")
def test_a_token_of_a_worker_that_died_waits_again(
    tmp_path: Path, point: str, attempts: int
) -> None:
    """It is in one bucket, before and after; the death counts as an attempt, and so does a failure before it."""
    first, second = make_bucket(tmp_path / "1"), make_bucket(tmp_path / "2")
    first.put(make_token("b1"))
    with worker(lambda: dying_at(point, first.path, second.path)) as pid:
        assert ended(pid) == -signal.SIGKILL

    assert everywhere(first, second) == ["b1"]
    assert recover(first) == 1
    assert recover(first) == 0

    (token,) = first.tokens()
    assert token.attempts == attempts
    assert token.history[-1].result == "crash"
    assert not any((tmp_path / "1" / "claimed").iterdir())


@pytest.mark.case("b03")
def test_a_token_that_moved_on_is_not_taken_back(tmp_path: Path) -> None:
    """Published, the next filter has moved it on already, and only then the worker dies."""
    first, second, third = (make_bucket(tmp_path / name) for name in "123")
    first.put(make_token("b1"))
    with worker(lambda: dying_at("seat.moved", first.path, second.path)) as pid:
        assert ended(pid) == -signal.SIGKILL
    with Seat(second, "next", into=third) as seat:
        seat.move((claim := seat.claim()[0]), claim.token)

    assert recover(first) == 0

    assert everywhere(first, second, third) == ["b1"]
    assert ids(third) == ["b1"]


@pytest.mark.parametrize(
    ("point", "left"),
    [
        ("seat.prepared", ["book"]),
        ("seat.decided", ["book.0", "book.1", "book.2"]),
        ("settlement.child", ["book.0", "book.1", "book.2"]),
    ],
)
def test_a_death_leaves_the_one_or_all_of_the_many(
    tmp_path: Path, point: str, left: list[str]
) -> None:
    first, second = make_bucket(tmp_path / "1"), make_bucket(tmp_path / "2")
    first.put(make_token("book"))
    points = point == "settlement.child"

    with worker(lambda: dying_at(point, first.path, second.path, children=3)) as pid:
        assert ended(pid) == -signal.SIGKILL
    if points:
        with Seat(second, "next") as seat:
            seat.discard(seat.claim()[0])  # the next filter was quick with the first child
        left = left[1:] if ids(second) == [] else left
    recover(first)

    found = everywhere(first, second)
    assert found == left or (
        points and len(found) == 2 and set(found) < {"book.0", "book.1", "book.2"}
    )


@pytest.mark.case("b04")
def test_a_worker_that_is_stopped_is_not_robbed_and_finishes_when_it_wakes(
    tmp_path: Path, gate: Gate
) -> None:
    """A lock says who lives, not a clock."""
    first, second = make_bucket(tmp_path / "1"), make_bucket(tmp_path / "2")
    first.put(make_token("b1"))
    claimed = Gate()

    def work() -> None:
        with Seat(Bucket(first.path, sync=False), "sleeper", into=second) as seat:
            (claim,) = seat.claim()
            claimed.open()
            gate.wait()
            seat.move(claim, claim.token)

    with worker(work) as pid:
        claimed.wait()
        os.kill(pid, signal.SIGSTOP)
        assert recover(first) == 0
        with Seat(first, "rival", into=second) as seat:
            assert seat.claim() == []
        os.kill(pid, signal.SIGCONT)
        gate.open()
        assert ended(pid) == 0
    claimed.close()

    assert ids(second) == everywhere(first, second) == ["b1"]


@pytest.mark.case("b04")
def test_a_second_worker_that_starts_takes_nothing_from_the_first(tmp_path: Path) -> None:
    """A start leaves every claim alone but those of the dead."""
    bucket = make_bucket(tmp_path / "1")
    bucket.put(make_token("b1"))

    with Seat(bucket, "first") as first, Seat(bucket, "second") as second:
        first.claim()
        assert recover(bucket) == 0
        assert second.claim() == []


def test_a_token_that_kills_its_workers_becomes_an_error(tmp_path: Path) -> None:
    bucket = make_bucket(tmp_path / "1")
    bucket.put(make_token("poison"))
    for _ in range(3):
        with worker(lambda: dying_at("seat.claimed", bucket.path, bucket.path)) as pid:
            ended(pid)
        recover(bucket, crash_limit=3)

    (token,) = bucket.tokens("errors")
    assert "the worker died with it in hand, attempt 3 of 3" in token.reason


def test_a_token_that_comes_back_is_admitted_to_a_full_bucket(tmp_path: Path) -> None:
    bucket = make_bucket(tmp_path / "1", limit=Limit(tokens=1))
    bucket.put(make_token("b1"))
    with worker(lambda: dying_at("seat.claimed", bucket.path, bucket.path)) as pid:
        ended(pid)

    assert not bucket.put(make_token("b2"))
    assert recover(bucket) == 1
    assert ids(bucket) == ["b1"]


@pytest.mark.slow
@pytest.mark.case("b01")
def test_eight_workers_race_for_the_tokens_of_one_bucket(tmp_path: Path) -> None:
    """Each token is worked on once."""
    first, second = make_bucket(tmp_path / "1"), make_bucket(tmp_path / "2")
    first.put_many([make_token(n) for n in range(400)])

    def work(name: str) -> None:
        with Seat(Bucket(first.path, sync=False), name, into=second) as seat:
            while claims := seat.claim():
                seat.move(claims[0], claims[0].token)

    pids = []
    for number in range(8):
        context = worker(lambda number=number: work(f"w{number}"))
        pids.append((context, context.__enter__()))
    assert [ended(pid) for _, pid in pids] == [0] * 8
    for context, _ in pids:
        context.__exit__(None, None, None)

    tokens = list(second.tokens())
    assert sorted(int(token.id) for token in tokens) == list(range(400))
    assert {len(token.history) for token in tokens} == {1}


@pytest.mark.slow
def test_eight_producers_never_pass_a_limit(tmp_path: Path) -> None:
    path = tmp_path / "1"
    bucket = make_bucket(path, limit=Limit(tokens=7))
    peak = []

    def produce(name: str) -> None:
        mine = Bucket(path, limit=Limit(tokens=7), sync=False)
        sent = 0
        while sent < 25:
            sent += mine.put(make_token(f"{name}.{sent}"))

    contexts = [worker(lambda n=n: produce(f"p{n}")) for n in range(8)]
    pids = [context.__enter__() for context in contexts]
    while bucket.counts().waiting < 7:  # nobody takes yet: all that may enter comes together
        pass
    with Seat(bucket, "consumer") as seat:
        left = 200
        while left:
            peak.append(bucket.counts().waiting)
            for claim in seat.claim(3):
                peak.append(bucket.counts().content)
                seat.discard(claim)
                left -= 1
    assert [ended(pid) for pid in pids] == [0] * 8
    for context in contexts:
        context.__exit__(None, None, None)

    assert max(peak) == 7
