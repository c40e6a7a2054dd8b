"""Every step of the protocol by which tokens move is a place to die, several times over."""

import os
import shutil
import signal
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import pytest

from penstock.base import Failpoints
from penstock.kanban import Bucket, Claim, Seat, TokenExistsError, recover
from penstock.kanban._disk import Disk
from tests.kanban.boards import everywhere, ids, make_bucket, make_token
from tests.kanban.workers import ended, worker

POINTS = {
    "bucket.written": 8,
    "bucket.put": 8,
    "seat.claimed": 4,
    "seat.noted": 8,
    "seat.written": 4,
    "seat.rewritten": 4,
    "seat.moved": 4,
    "seat.returned": 2,
    "seat.prepared": 2,
    "seat.decided": 2,
    "settlement.child": 4,
    "recovery.taken": 1,
}
"""The steps, and the crossings among which the fatal one is chosen."""
PER_POINT = 4


class Stage:
    """Takes numbered tokens from one bucket and moves them, splits them, puts them aside or fails them."""

    def __init__(self, root: Path) -> None:
        self.first = make_bucket(root / "1")
        self.second = make_bucket(root / "2")

    def buckets(self, points: Failpoints) -> tuple[Bucket, Bucket]:
        return (
            Bucket(self.first.path, sync=False, failpoints=points),
            Bucket(self.second.path, sync=False, failpoints=points),
        )

    def work(self, points: Failpoints, fresh: Sequence[int] = ()) -> None:
        """Let tokens in, take back what the dead held, then work until nothing waits."""
        first, second = self.buckets(points)
        for number in fresh:
            if not self.known(number):
                first.put(make_token(number))
        recover(first, crash_limit=1000)
        with Seat(first, "w", into=second) as seat:
            while claims := seat.claim(2):
                for claim in claims:
                    self.settle(seat, claim)

    def known(self, number: int) -> bool:
        names = (str(number), f"{number}.a", f"{number}.b")
        return any(b.places.find(name) for b in (self.first, self.second) for name in names)

    def settle(self, seat: Seat, taken: Claim) -> None:
        claim = seat.note(taken, taken.token)
        number = int(claim.token.id)
        again = claim.token.history and claim.token.history[-1].result == "retry"
        match number % 4:
            case 0 | 1:
                seat.move(claim, claim.token)
            case 2:
                seat.split([claim], [make_token(f"{number}.{part}") for part in "ab"])
            case _ if again:
                seat.fail(claim, "bad")
            case _:
                seat.delay(claim, -1.0, "not now")

    def die(self, points: str, fresh: Sequence[int]) -> int:
        """Do the work in a process of its own; minus the signal that it died of."""
        with worker(lambda: self.work(Failpoints.parse(points), fresh)) as pid:
            return ended(pid)

    def check(self, tokens: int) -> None:
        """Each token ended once: moved, split, or failed."""
        moved = [str(n) for n in range(tokens) if n % 4 in {0, 1}]
        split = [f"{n}.{part}" for n in range(tokens) if n % 4 == 2 for part in "ab"]
        failed = [str(n) for n in range(tokens) if n % 4 == 3]
        assert ids(self.second) == sorted(moved + split)
        assert ids(self.first, "errors") == sorted(failed)
        assert everywhere(self.first, self.second) == sorted(moved + split + failed)


@pytest.mark.slow
def test_a_death_at_any_step_of_a_move_leaves_each_token_in_one_place(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """At every named point at least three times, at a crossing that chance decides."""
    stage, chance = Stage(tmp_path), Random(3)
    orders = list(POINTS) * PER_POINT
    chance.shuffle(orders)
    kills: Counter[str] = Counter()

    for index, point in enumerate(orders):
        fresh = range(index * 8, index * 8 + 8)
        if point == "recovery.taken":  # somebody has to be dead for it
            assert stage.die("seat.claimed=kill", fresh) == -signal.SIGKILL
        number = chance.randint(1, POINTS[point])
        assert stage.die(f"{point}@{number}=kill", fresh) == -signal.SIGKILL, f"{point}@{number}"
        kills[point] += 1
        stage.work(Failpoints(), fresh)
    while any(bucket.counts().delayed for bucket in (stage.first, stage.second)):
        stage.work(Failpoints())

    stage.check(len(orders) * 8)
    assert min(kills[point] for point in POINTS) >= 3
    record_property("kills", kills.total())


@pytest.mark.slow
def test_deaths_find_a_move_that_is_not_one_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Written there, then removed here: a proof that cannot fail proves nothing."""

    def in_two_steps(disk: Disk, source: str, target: str) -> None:
        shutil.copy(source, target)
        os.kill(os.getpid(), signal.SIGKILL)

    stage = Stage(tmp_path)
    stage.first.put(make_token(0))
    monkeypatch.setattr(Disk, "rename_new", in_two_steps)
    stage.die("", ())
    monkeypatch.undo()

    with pytest.raises(TokenExistsError):
        stage.work(Failpoints())
