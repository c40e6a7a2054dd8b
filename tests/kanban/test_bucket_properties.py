"""A small board, walked at random: each token is in exactly one bucket."""

import os
import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from penstock.kanban import Claim, Limit, Priority, Seat, TokenExistsError, recover
from penstock.kanban._repair import hold, release, retry
from tests.kanban.boards import everywhere, make_bucket, make_token

_LIMIT = 4


class Board(RuleBasedStateMachine):
    """Three buckets, two workers between each two, of which any may die."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        first = make_bucket(self.folder / "1")
        second = make_bucket(self.folder / "2", limit=Limit(tokens=_LIMIT), feeders=[first.path])
        self.buckets = [first, second, make_bucket(self.folder / "3")]
        self.seats = {
            (stage, worker): self._sit(stage, worker) for stage in (0, 1) for worker in (0, 1)
        }
        self.seats[2, 0] = self._sit(2, 0)
        self.floods = 0
        self.claims: dict[tuple[int, int], list[Claim]] = {key: [] for key in self.seats}
        self.model: set[str] = set()
        self.number = 0
        self.readmitted = 0

    def _sit(self, stage: int, worker: int) -> Seat:
        into = self.buckets[stage + 1] if stage < 2 else None
        seat = Seat(self.buckets[stage], f"w{worker}", into=into)
        return seat.__enter__()

    @rule(bucket=st.integers(0, 2), priority=st.sampled_from(Priority))
    def put(self, bucket: int, priority: Priority) -> None:
        self.number += 1
        if self.buckets[bucket].put(make_token(self.number, priority=priority)):
            self.model.add(str(self.number))

    @rule(bucket=st.integers(0, 2), data=st.data())
    @precondition(lambda self: self.model)
    def put_again(self, bucket: int, data: st.DataObject) -> None:
        """What is there is not replaced, whichever bucket it waits in."""
        identity = data.draw(st.sampled_from(sorted(self.model)))
        if self.buckets[bucket].places.find(identity) is None:
            return
        try:
            entered = self.buckets[bucket].put(make_token(identity))
        except TokenExistsError:
            return
        if entered:  # claimed, delayed or failed: an id put a second time is the putter's fault
            Path(self.buckets[bucket].places.waiting(identity, Priority.NORMAL)).unlink()

    @rule(stage=st.integers(0, 1), worker=st.integers(0, 1), limit=st.integers(1, 3))
    def claim(self, stage: int, worker: int, limit: int) -> None:
        self.claims[stage, worker] += self.seats[stage, worker].claim(limit)

    @rule(
        stage=st.integers(0, 1),
        worker=st.integers(0, 1),
        what=st.sampled_from(["move", "fail", "delay", "soon", "release", "split"]),
    )
    def settle(self, stage: int, worker: int, what: str) -> None:
        if not self.claims[stage, worker]:
            return
        claim, seat = self.claims[stage, worker].pop(), self.seats[stage, worker]
        match what:
            case "move":
                seat.move(claim, claim.token)
            case "fail":
                seat.fail(claim, "bad")
            case "release":
                seat.release(claim)
            case "split":
                children = [make_token(f"{claim.token.id}.{n}") for n in range(2)]
                if stage == 0:
                    seat.move(claim, claim.token)  # children would pass the limit, as documented
                    return
                seat.split([claim], children)
                self.model.remove(claim.token.id)
                self.model |= {child.id for child in children}
            case _:
                seat.delay(claim, 0 if what == "soon" else 600, "later")

    @rule()
    @precondition(lambda self: self.floods < 2)
    def flood(self) -> None:
        """So many that a worker may die with too many in hand to mark each."""
        self.floods += 1
        tokens = [make_token(f"{self.floods}-{n}") for n in range(70)]
        self.buckets[2].put_many(tokens)
        self.model |= {token.id for token in tokens}
        self.claims[2, 0] += self.seats[2, 0].claim(140)

    @rule(limit=st.integers(1, 100), keep=st.booleans())
    def work_off(self, limit: int, *, keep: bool) -> None:
        """What lies at the end is claimed again, and some of it ends or is put back."""
        self.claims[2, 0] += self.seats[2, 0].claim(limit)
        for _ in range(min(limit, len(self.claims[2, 0])) // 2):
            claim = self.claims[2, 0].pop()
            if keep:
                self.seats[2, 0].release(claim)
            else:
                self.seats[2, 0].discard(claim)
                self.model.remove(claim.token.id)

    @rule()
    def die_at_the_end(self) -> None:
        self.die(2, 0)

    @rule(stage=st.integers(0, 1), worker=st.integers(0, 1))
    def die(self, stage: int, worker: int) -> None:
        """The kernel closes the lock; a recovery follows at some time."""
        os.close(self.seats[stage, worker]._descriptor)
        recover(self.buckets[stage], crash_limit=1000)
        self.claims[stage, worker] = []
        self.seats[stage, worker] = self._sit(stage, worker)

    @rule(stage=st.integers(0, 1))
    def recover(self, stage: int) -> None:
        assert recover(self.buckets[stage]) == 0

    @rule(stage=st.integers(0, 1))
    def retry(self, stage: int) -> None:
        self.readmitted += stage * self.buckets[1].counts().errors
        retry(self.buckets[stage])

    @rule(bucket=st.integers(0, 2))
    def hold(self, bucket: int) -> None:
        hold(self.buckets[bucket])

    @rule(bucket=st.integers(0, 2), most=st.integers(0, 3))
    def release(self, bucket: int, most: int) -> None:
        """As far as there is room."""
        release(self.buckets[bucket], most=most)

    @invariant()
    def each_token_is_in_one_bucket(self) -> None:
        assert everywhere(*self.buckets) == sorted(self.model)

    @invariant()
    def the_limit_is_kept(self) -> None:
        """Errors that are let in again are always admitted: they alone may pass it."""
        content = self.buckets[1].counts().content + self.buckets[0].counts().claimed
        assert content <= _LIMIT + self.readmitted

    def teardown(self) -> None:
        for seat in self.seats.values():
            seat.__exit__(None, None, None)
        shutil.rmtree(self.folder)


TestBoard = Board.TestCase
TestBoard.settings = settings(
    max_examples=20,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
