"""What a dead worker held in large numbers: its directory waits again, by one rename."""

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from penstock.base import Failpoints
from penstock.kanban import (
    Bucket,
    BucketError,
    Limit,
    Priority,
    Seat,
    Token,
    TokenExistsError,
    recover,
)
from penstock.kanban._disk import Disk, exists, names_in
from penstock.kanban._repair import hold, release
from penstock.kanban._worker import watch_of
from tests.kanban.boards import everywhere, ids, make_bucket, make_token
from tests.kanban.workers import Gate, ended, worker

MANY = 70
"""More than those of which each is marked with the death."""


def numbers(start: int = 0, end: int = MANY) -> list[str]:
    """Ids as they sort."""
    return [f"{number:03}" for number in range(start, end)]


def many(names: Sequence[str], **options: object) -> list[Token]:
    return [make_token(name, **options) for name in names]


def die_with(bucket: Bucket, count: int = MANY, name: str = "dead") -> None:
    """A worker that claims so many and whose lock the kernel then frees."""
    seat = Seat(bucket, name).__enter__()
    assert len(seat.claim(count)) == count
    os.close(seat._descriptor)


def shelves(bucket: Bucket) -> list[str]:
    return names_in(bucket.places.returned)


def all_of(bucket: Bucket, name: str = "next") -> list[str]:
    """Claim and remove whatever can be claimed; the ids in the order in which they came."""
    found = []
    with Seat(bucket, name) as seat:
        while claims := seat.claim(16):
            for claim in claims:
                found.append(claim.token.id)
                seat.discard(claim)
    return found


@pytest.fixture
def returned(tmp_path: Path) -> Bucket:
    """A bucket whose tokens all wait on a shelf."""
    bucket = make_bucket(tmp_path / "1")
    bucket.put_many(many(numbers()))
    die_with(bucket)
    assert recover(bucket) == MANY
    assert len(shelves(bucket)) == 1
    return bucket


def test_all_that_a_worker_held_waits_again_as_it_was(returned: Bucket) -> None:
    """It died of none of them in particular: no attempt is counted, no line is written."""
    counts = returned.counts()
    tokens = list(returned.tokens())

    assert (counts.waiting, counts.claimed, counts.content) == (MANY, 0, MANY)
    assert counts.oldest > 0
    assert sorted(token.id for token in tokens) == numbers()
    assert {(token.attempts, token.history) for token in tokens} == {(0, ())}
    word, path = returned.places.find("007") or ("", "")
    assert (word, exists(path)) == ("waiting", True)
    assert returned.foreign() == []
    assert names_in(returned.places.claimed) == []
    assert recover(returned) == 0


def test_what_waits_again_is_claimed_in_its_turn(returned: Bucket) -> None:
    """By age among the others, after what is urgent, before what can wait."""
    returned.put_many(many(["new", "newer"]))
    returned.put(make_token("urgent", priority=Priority.HIGH))
    os.utime(returned.places.waiting("newer", Priority.NORMAL), (2e9, 2e9))
    os.utime(returned.places.waiting("new", Priority.NORMAL), (1e9, 1e9))

    assert all_of(returned) == ["urgent", "new", *numbers(), "newer"]
    assert shelves(returned) == []


def test_an_urgent_token_in_a_dead_hand_stays_urgent(tmp_path: Path) -> None:
    bucket = make_bucket(tmp_path / "1")
    bucket.put_many(many(numbers()))
    bucket.put_many([make_token("low", priority=Priority.LOW), make_token("new")])
    bucket.put(make_token("high", priority=Priority.HIGH))
    die_with(bucket, MANY + 3)

    assert recover(bucket) == MANY + 3

    assert exists(bucket.places.waiting("low", Priority.LOW))
    order = all_of(bucket)
    assert (order[0], sorted(order)) == ("high", sorted([*numbers(), "low", "new", "high"]))


def test_shelves_spread_over_many_directories_are_claimed_as_well(tmp_path: Path) -> None:
    bucket = make_bucket(tmp_path / "1", fan_out=True)
    bucket.put_many(many(numbers()))
    die_with(bucket)

    recover(bucket)

    assert bucket.counts().waiting == MANY
    assert sorted(all_of(bucket)) == numbers()
    assert shelves(bucket) == []


def test_an_id_that_waits_on_a_shelf_is_not_put_again(tmp_path: Path, returned: Bucket) -> None:
    """Neither by who puts nor by who moves; and what comes back meanwhile is an error."""
    before = make_bucket(tmp_path / "0")
    before.put(make_token("007"))

    with pytest.raises(TokenExistsError):
        returned.put(make_token("007"))
    with pytest.raises(TokenExistsError):
        Bucket(returned.path, sync=False).put_many(many(["new", "008"]))
    with Seat(before, "w", into=returned) as seat, pytest.raises(TokenExistsError):
        seat.move(claim := seat.claim()[0], claim.token)

    assert ids(before, "errors") == ["007"]
    assert ids(returned) == [*numbers(), "new"]


def test_an_id_put_anew_while_its_token_was_in_a_dead_hand_makes_that_an_error(
    tmp_path: Path,
) -> None:
    bucket = make_bucket(tmp_path / "1")
    bucket.put_many(many(numbers()))
    die_with(bucket)
    bucket.put(make_token("007", fields={"new": True}))

    recover(bucket)

    assert ids(bucket) == numbers()
    (token,) = bucket.tokens("errors")
    assert (token.id, token.fields) == ("007", {})


def test_two_dead_workers_that_held_one_id_leave_one_that_waits(tmp_path: Path) -> None:
    bucket = make_bucket(tmp_path / "1")
    for name in ("one", "other"):
        bucket.put_many(many(numbers()))
        die_with(bucket, name=name)

    assert recover(bucket) == 2 * MANY

    assert ids(bucket) == ids(bucket, "errors") == numbers()


@dataclass
class Late(Disk):
    """A disk on which somebody recovers the bucket right before a token enters it."""

    bucket: Bucket

    def rename_new(self, source: str, target: str) -> None:
        recover(self.bucket)
        super().rename_new(source, target)


def test_an_id_put_at_the_instant_it_is_returned_is_worked_on_once(tmp_path: Path) -> None:
    """Whoever was first, one of the two is an error."""
    bucket = make_bucket(tmp_path / "1")
    bucket.put_many(many(numbers()))
    die_with(bucket)
    Bucket(bucket.path, sync=False, disk=Late(bucket)).put(make_token("007"))
    assert ids(bucket).count("007") == 2

    assert sorted(all_of(bucket)) == numbers()
    assert ids(bucket, "errors") == ["007"]


def test_a_token_put_anew_while_the_first_is_in_hand_waits_for_it(tmp_path: Path) -> None:
    """In one hand there is one file of a name."""
    bucket = make_bucket(tmp_path / "1")
    bucket.put(make_token("b1", fields={"old": True}))

    with Seat(bucket, "w") as seat:
        (first,) = seat.claim()
        bucket.put(make_token("b1"))
        assert seat.claim() == []
        assert bucket.read(first.path).fields == {"old": True}
        seat.discard(first)
        assert [claim.token.fields for claim in seat.claim()] == [{}]


def test_what_waits_on_shelves_counts_against_the_limit(tmp_path: Path) -> None:
    bucket = make_bucket(tmp_path / "1", limit=Limit(tokens=MANY + 1, size=1000))
    bucket.put_many(many(numbers(), fields={"size": 10}))
    die_with(bucket)
    recover(bucket)

    assert bucket.put_many(many(["a", "b"], fields={"size": 1})) == 1
    assert not Bucket(bucket.path, limit=Limit(size=700), sync=False).put(make_token("c"))


def test_a_token_for_which_there_is_no_room_downstream_stays(
    tmp_path: Path, returned: Bucket
) -> None:
    into = make_bucket(tmp_path / "2", limit=Limit(size=5), feeders=[returned.path])
    into.put(make_token("there", fields={"size": 4}))
    for path in Path(returned.places.returned_shelves()[0]).iterdir():
        path.write_bytes(make_token(path.stem, fields={"size": 4}).encode())

    with Seat(returned, "w", into=into) as seat:
        assert seat.claim() == []

    assert ids(returned) == numbers()


class Swept(Disk):
    """A disk on which a recovery follows each claim: it removes a shelf of which the last is in hand."""

    def rename(self, source: str, target: str) -> None:
        super().rename(source, target)
        recover(Bucket(Path(source).parents[2], sync=False))


def test_the_last_of_a_shelf_goes_back_though_the_shelf_is_gone(
    tmp_path: Path, returned: Bucket
) -> None:
    into = make_bucket(tmp_path / "2", limit=Limit(size=5), feeders=[returned.path])
    into.put(make_token("there", fields={"size": 4}))
    shelf = Path(returned.places.returned_shelves()[0])
    for path in shelf.iterdir():
        path.unlink()
    (shelf / "last.json").write_bytes(make_token("last", fields={"size": 4}).encode())

    swept = Bucket(returned.path, sync=False, disk=Swept())
    with Seat(swept, "w", into=into) as seat:
        assert seat.claim() == []

    assert (ids(returned), shelves(returned)) == (["last"], [])


def test_what_waits_on_a_shelf_can_be_held_and_released(returned: Bucket) -> None:
    assert hold(returned) == MANY
    assert ids(returned, "held") == numbers()
    recover(returned)
    assert shelves(returned) == []
    assert release(returned) == MANY
    assert ids(returned) == numbers()


def test_a_collector_claims_by_id_from_a_shelf(returned: Bucket) -> None:
    with Seat(returned, "w") as seat:
        assert [claim.token.id for claim in seat.claim_ids(["007", "069"])] == ["007", "069"]


def test_a_shelf_wakes_the_workers_of_its_bucket(tmp_path: Path) -> None:
    bucket = make_bucket(tmp_path / "1")
    bucket.put_many(many(numbers()))
    die_with(bucket)

    with closing(watch_of(bucket.places)) as watch:
        recover(bucket)
        watch.wait(3600.0)


def test_there_is_a_directory_for_shelves_only_while_there_are_any(returned: Bucket) -> None:
    """Else everybody who puts a token would have to look into it."""
    assert exists(returned.places.returned)

    all_of(returned)

    assert not exists(returned.places.returned)


class Emptied(Disk):
    """A disk on which somebody removes an empty directory right after it was made."""

    def __init__(self) -> None:
        self.removed = 0

    def make_directory(self, path: str) -> None:
        super().make_directory(path)
        if path.endswith("returned") and not self.removed:
            self.removed += 1
            self.remove_directory(path)


def test_a_shelf_is_made_though_the_directory_for_it_is_removed_meanwhile(tmp_path: Path) -> None:
    bucket = make_bucket(tmp_path / "1")
    bucket.put_many(many(numbers()))
    die_with(bucket)

    assert recover(Bucket(bucket.path, sync=False, disk=(disk := Emptied()))) == MANY

    assert (disk.removed, len(shelves(bucket))) == (1, 1)


def test_what_a_person_put_beside_claims_stays_where_it_is(tmp_path: Path) -> None:
    """Their tokens go back one by one; so does a shelf with a note of somebody stay."""
    bucket = make_bucket(tmp_path / "1")
    bucket.put_many(many(numbers()))
    die_with(bucket)
    note = Path(bucket.places.claimed, "dead", "note.txt")
    note.touch()

    assert recover(bucket) == MANY

    assert note.exists()
    assert ids(bucket) == numbers()
    assert shelves(bucket) == []


def test_a_worker_of_the_same_name_sits_down_where_a_shelf_was_made_of_the_seat(
    returned: Bucket,
) -> None:
    with Seat(returned, "dead") as seat:
        (claim,) = seat.claim()
        assert recover(returned) == 0
        assert exists(claim.path)


@dataclass
class Rivalled(Disk):
    """A disk on which a worker of the dead one's name sits down as soon as the name is free."""

    bucket: Bucket
    seats: list[Seat]

    def rename(self, source: str, target: str) -> None:
        super().rename(source, target)
        self.seats.append(Seat(self.bucket, "dead").__enter__())


def test_a_worker_that_sits_down_while_a_shelf_is_made_keeps_its_seat(tmp_path: Path) -> None:
    bucket = make_bucket(tmp_path / "1")
    bucket.put_many(many(numbers()))
    die_with(bucket)
    disk = Rivalled(bucket, [])

    recover(Bucket(bucket.path, sync=False, disk=disk))

    (seat,) = disk.seats
    with ExitStack() as stack:
        stack.push(seat)  # it sits already
        assert exists(f"{bucket.places.claimed}/dead/alive")
        assert len(seat.claim(MANY)) == MANY
        assert recover(bucket) == 0


def killed_at(point: str, bucket: Bucket) -> None:
    """A recovery that is killed on its way."""

    def work() -> None:
        points = Failpoints.parse(f"{point}=kill")
        recover(Bucket(bucket.path, sync=False, failpoints=points))

    with worker(work) as pid:
        assert ended(pid) == -signal.SIGKILL


@pytest.mark.parametrize("point", ["recovery.taken", "recovery.returned"])
def test_a_recovery_killed_at_any_point_leaves_each_token_once(tmp_path: Path, point: str) -> None:
    """Another one finishes it; nothing is left behind."""
    bucket = make_bucket(tmp_path / "1")
    names = numbers()
    bucket.put_many(many(names))
    bucket.put_many(many(["high", "higher"], priority=Priority.HIGH))
    die_with(bucket, MANY + 2)

    killed_at(point, bucket)

    assert everywhere(bucket) == sorted([*names, "high", "higher"])
    assert recover(bucket) == (0 if point == "recovery.returned" else MANY + 1)
    order = all_of(bucket)
    assert sorted(order[:2]) == ["high", "higher"]
    assert sorted(order[2:]) == names
    recover(bucket)
    assert shelves(bucket) == names_in(bucket.places.claimed) == []


def test_a_worker_that_lost_its_lock_while_it_was_stopped_loses_what_it_held(
    tmp_path: Path,
) -> None:
    """As on a network file system whose server gave the lock away: it wakes, and can settle nothing."""
    first, second = make_bucket(tmp_path / "1"), make_bucket(tmp_path / "2")
    first.put_many(many(numbers()))
    claimed, awake = Gate(), Gate()

    def work() -> None:
        with Seat(Bucket(first.path, sync=False), "sleeper", into=second) as seat:
            claims = seat.claim(MANY)
            os.close(seat._descriptor)
            claimed.open()
            awake.wait()
            for claim in claims:
                with pytest.raises(BucketError):
                    seat.move(claim, claim.token)
            assert seat.claim() == []
            os._exit(0)

    with worker(work) as pid:
        claimed.wait()
        os.kill(pid, signal.SIGSTOP)
        assert recover(first) == MANY
        with Seat(first, "rival", into=second) as seat:
            held = seat.claim(MANY // 2)
            os.kill(pid, signal.SIGCONT)
            awake.open()
            assert ended(pid) == 0
            while held := held or seat.claim():
                seat.move_many([(claim, claim.token) for claim in held])
                held = []
    claimed.close()
    awake.close()

    assert ids(second) == everywhere(first, second) == numbers()


@contextmanager
def workers_of(bucket: Bucket, into: Bucket, count: int) -> Iterator[list[int]]:
    """So many processes that move tokens until there is none."""

    def work(name: str) -> None:
        with Seat(Bucket(bucket.path, sync=False), name, into=into) as seat:
            while claims := seat.claim():
                seat.move(claims[0], claims[0].token)

    contexts = [worker(lambda n=n: work(f"w{n}")) for n in range(count)]
    yield [context.__enter__() for context in contexts]
    for context in contexts:
        context.__exit__(None, None, None)


@pytest.mark.slow
def test_eight_workers_race_for_the_tokens_of_a_shelf(tmp_path: Path) -> None:
    """Each token is worked on once, whoever finds the shelf empty and removes it."""
    first, second = make_bucket(tmp_path / "1"), make_bucket(tmp_path / "2")
    for name in ("one", "other"):
        start = 0 if name == "one" else 200
        first.put_many(many(numbers(start, start + 200)))
        die_with(first, 200, name)
    recover(first)
    assert len(shelves(first)) == 2

    with workers_of(first, second, 8) as pids:
        assert [ended(pid) for pid in pids] == [0] * 8

    assert ids(second) == everywhere(first, second) == numbers(0, 400)
    assert {len(token.history) for token in second.tokens()} == {1}
    assert shelves(first) == []
