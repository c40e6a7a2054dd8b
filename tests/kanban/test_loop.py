"""The life of a worker: no pause while there is work, and no attempt for what is not the token's fault."""

import errno
import os
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from penstock.base import RetryPolicy
from penstock.kanban import Bucket, Filter, FilterContext, PermanentError, Seat, Token
from penstock.kanban._filter import Collecting, Outcome, Split
from penstock.kanban._loop import FilterLoop
from penstock.kanban._tally import Tally, read_tally
from penstock.kanban._watch import Watch
from penstock.telemetry import get_logger
from tests.kanban.boards import ids, make_bucket, make_token


class NoPause(Watch):
    """Ends the test's loop when it would sleep, and fails if something waits then."""

    def __init__(self, bucket: Bucket, stop: Callable[[], None]) -> None:
        super().__init__([])
        self._bucket = bucket
        self._stop = stop

    def wait(self, seconds: float) -> None:
        assert ids(self._bucket) == []
        self._stop()


class Failing(Filter):
    def process(self, token: Token) -> Token:
        kind = int(token.id) % 4
        if kind == 0:
            raise PermanentError("never")
        if kind == 1:
            raise ValueError("not now")
        if kind == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/data/x.part")
        return token.with_fields(size=10)


class Unwritable(Filter):
    """Makes tokens that cannot be written, of three kinds, and one that can."""

    def process(self, token: Token) -> Outcome:
        match int(token.id) % 4:
            case 0:
                return token.with_fields(pages={1, 2})
            case 1:
                return Split([make_token("a"), make_token("b", fields={"raw": b"bytes"})])
            case 2:
                return Split([make_token("a"), make_token("a")])
            case _:
                return token


class UnwritableWhole(Collecting):
    """Makes one token of two, which cannot be written."""

    def group(self, token: Token) -> tuple[str, int]:
        return "all", 2

    def collect(self, tokens: Sequence[Token]) -> Token:
        return make_token("whole", fields={"parts": {token.id for token in tokens}})


def run(
    tmp_path: Path,
    tally: Tally | None = None,
    *,
    kind: type[Filter] = Failing,
    count: int = 40,
) -> tuple[Bucket, Bucket]:
    """Work on tokens until nothing waits."""
    first, second = make_bucket(tmp_path / "1"), make_bucket(tmp_path / "2")
    first.put_many([make_token(n) for n in range(count)])
    asked: list[bool] = []
    context = FilterContext("failing", tmp_path, asked_to_stop=lambda: bool(asked))
    watch = NoPause(first, lambda: asked.append(True))
    with Seat(first, "w", into=second) as seat:
        retry = RetryPolicy(
            initial_interval=timedelta(hours=1),
            maximum_interval=timedelta(hours=1),
            maximum_attempts=3,
        )
        FilterLoop(
            kind(context), seat, retry=retry, timeout=None, log=get_logger("test"), tally=tally
        ).run(watch)
    watch.close()
    return first, second


def test_a_filter_that_makes_what_cannot_be_written_fails_its_token_alone(tmp_path: Path) -> None:
    """With the reason, at the first attempt; the worker goes on, and nothing is left aside."""
    first, second = run(tmp_path, kind=Unwritable, count=4)

    reasons = {token.id: token.reason for token in first.tokens("errors")}
    assert sorted(reasons) == ["0", "1", "2"]
    assert "0 is not a token: its fields are not JSON" in reasons["0"]
    assert "they hold texts, numbers" in reasons["1"]
    assert "expected ids of their own" in reasons["2"]
    assert ids(second) == ["3"]
    assert [path.name for path in tmp_path.rglob("*.out")] == []


def test_members_of_what_cannot_be_written_fail_together(tmp_path: Path) -> None:
    first, second = run(tmp_path, kind=UnwritableWhole, count=2)

    assert sorted(token.id for token in first.tokens("errors")) == ["0", "1"]
    assert ids(second) == []


@pytest.mark.case("b07")
def test_a_token_that_fails_costs_no_pause(tmp_path: Path) -> None:
    """The worker goes on with the next at once; it sleeps only when nothing waits."""
    first, second = run(tmp_path)

    assert [token.attempts for token in first.tokens("errors")] == [1] * 10
    assert len(ids(first, "delayed")) == 20
    assert len(ids(second)) == 10


def test_a_full_disk_is_not_the_fault_of_the_token(tmp_path: Path) -> None:
    """It waits and uses up no attempt, however long the disk is full."""
    first, _ = run(tmp_path)

    attempts = {int(token.id) % 4: token.attempts for token in first.tokens("delayed")}
    assert attempts == {1: 1, 2: 0}
    reasons = {t.history[-1].reason for t in first.tokens("delayed") if int(t.id) % 4 == 2}
    assert reasons == {"No space left on device: /data/x.part"}


def test_what_a_worker_has_done_can_be_read_by_others(tmp_path: Path) -> None:
    tally = Tally(tmp_path / "tally" / "w")
    run(tmp_path, tally)
    tally.close()

    assert read_tally(f"{tmp_path}/tally/w") == {
        "done": 10, "failed": 10, "retried": 10, "bytes": 100,
    }  # fmt: skip
    assert read_tally(f"{tmp_path}/absent") == {}
