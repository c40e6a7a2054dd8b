"""A power cut at every instant: what was not synced may be gone or garbage.

The model is that of a journalling file system: a rename is atomic and names are changed in order,
so that a cut leaves a prefix of the changes; a sync makes all that came before it durable; the
content of a file that was not synced may be lost although its name is there.
"""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from penstock.kanban import Bucket, Priority, Seat, TokenError, recover
from penstock.kanban._disk import Disk, names_in
from tests.kanban.boards import PARTS, make_token


@dataclass
class RecordingDisk(Disk):
    """A disk that remembers every change, and up to where a sync has made them durable."""

    changes: list[tuple[str, ...]] = field(default_factory=list)
    contents: dict[int, bytes] = field(default_factory=dict)
    synced: set[int] = field(default_factory=set)
    durable: list[int] = field(default_factory=list)

    def write(self, path: str, data: bytes, *, sync: bool) -> None:
        super().write(path, data, sync=sync)
        number = len(self.contents)
        self.contents[number] = data
        self.changes.append(("write", path, str(number)))
        if sync:
            self._sync_file(number)

    def rename(self, source: str, target: str) -> None:
        super().rename(source, target)
        self.changes.append(("rename", source, target))

    def rename_new(self, source: str, target: str) -> None:
        super().rename_new(source, target)
        self.changes.append(("rename", source, target))

    def remove(self, path: str) -> None:
        super().remove(path)
        self.changes.append(("remove", path))

    def make_directory(self, path: str) -> None:
        super().make_directory(path)
        self.changes.append(("mkdir", path))

    def remove_directory(self, path: str) -> None:
        super().remove_directory(path)
        self.changes.append(("rmdir", path))

    def sync_directory(self, path: str) -> None:
        super().sync_directory(path)
        self.durable.append(len(self.changes))

    def sync_all(self, path: str) -> None:
        self.changes.extend(("sync", str(number)) for number in set(self.contents) - self.synced)
        self.synced |= set(self.contents)
        self.durable.append(len(self.changes))

    def _sync_file(self, number: int) -> None:
        self.synced.add(number)
        self.changes.append(("sync", str(number)))
        self.durable.append(len(self.changes))

    def replay(self, start: Path, old: Path, new: Path, length: int) -> None:
        """The directory as a cut after `length` changes leaves it, unsynced contents gone."""
        shutil.copytree(old, new)
        kept = {int(change[1]) for change in self.changes[:length] if change[0] == "sync"}

        def moved(path: str) -> Path:
            return new / Path(path).relative_to(start)

        for kind, *rest in self.changes[:length]:
            match kind:
                case "write":
                    number = int(rest[1])
                    moved(rest[0]).write_bytes(self.contents[number] if number in kept else b"")
                case "rename":
                    moved(rest[0]).rename(moved(rest[1]))
                case "remove":
                    moved(rest[0]).unlink(missing_ok=True)
                case "mkdir":
                    moved(rest[0]).mkdir(exist_ok=True)
                case "rmdir":
                    shutil.rmtree(moved(rest[0]))


def move(first: Bucket, second: Bucket) -> None:
    with Seat(first, "w", into=second) as seat:
        (claim,) = seat.claim()
        seat.move(claim, claim.token.with_fields(pages=3))


def fail(first: Bucket, second: Bucket) -> None:
    with Seat(first, "w", into=second) as seat:
        seat.fail(seat.claim()[0], "bad")


def delay(first: Bucket, second: Bucket) -> None:
    with Seat(first, "w", into=second) as seat:
        seat.delay(seat.claim()[0], 60, "later")


def split(first: Bucket, second: Bucket) -> None:
    with Seat(first, "w", into=second) as seat:
        seat.split(seat.claim(), [make_token("b1.0"), make_token("b1.1")])


@pytest.mark.parametrize(
    ("work", "left"),
    [(move, ["b1"]), (fail, ["b1"]), (delay, ["b1"]), (split, ["b1.0", "b1.1"])],
    ids=["move", "fail", "delay", "split"],
)
def test_a_power_cut_at_any_instant_loses_no_token(
    tmp_path: Path, work: Callable[[Bucket, Bucket], None], left: list[str]
) -> None:
    start, disk = tmp_path / "board", RecordingDisk()
    Bucket(start / "1").prepare().put(make_token("b1", fields={"shelf": "A"}))
    Bucket(start / "2").prepare()
    shutil.copytree(start, tmp_path / "before")

    work(Bucket(start / "1", disk=disk), Bucket(start / "2", disk=disk))

    for length in range(len(disk.changes) + 1):
        after = tmp_path / f"after-{length}"
        disk.replay(start, tmp_path / "before", after, length)
        first, second = Bucket(after / "1"), Bucket(after / "2")
        recover(first)
        found = readable(first, second)
        assert found in (["b1"], left), f"after {disk.changes[:length]}"
        if disk.durable and length >= disk.durable[-1]:
            assert found == left


def test_what_was_put_survives_a_power_cut(tmp_path: Path) -> None:
    for count in (1, 3):
        start, disk = tmp_path / f"board-{count}", RecordingDisk()
        Bucket(start / "1").prepare()
        before = tmp_path / f"before-{count}"
        shutil.copytree(start, before)
        tokens = [make_token(n) for n in range(count)]

        Bucket(start / "1", disk=disk).put_many(tokens)

        for length in range(len(disk.changes) + 1):
            after = tmp_path / f"after-{count}-{length}"
            disk.replay(start, before, after, length)
            found = readable(Bucket(after / "1"))
            assert found == [token.id for token in tokens][: len(found)]
            assert len(found) == count or length < disk.durable[-1]


def test_a_power_cut_while_a_dead_hand_is_returned_loses_no_token(tmp_path: Path) -> None:
    """Nor does it leave one twice, or on a shelf that nobody empties."""
    start, disk = tmp_path / "board", RecordingDisk()
    bucket = Bucket(start / "1").prepare()
    urgent = make_token("urgent", priority=Priority.HIGH)
    tokens = [*(make_token(f"{n:02}") for n in range(65)), urgent]
    bucket.put_many(tokens)
    seat = Seat(bucket, "dead").__enter__()
    seat.claim(len(tokens))
    os.close(seat._descriptor)
    shutil.copytree(start, tmp_path / "before")

    recover(Bucket(start / "1", disk=disk))

    for length in range(len(disk.changes) + 1):
        after = tmp_path / f"after-{length}"
        disk.replay(start, tmp_path / "before", after, length)
        cut = Bucket(after / "1")
        assert readable(cut) == sorted(token.id for token in tokens)
        recover(cut)
        with Seat(cut, "next") as next_seat:
            order = [claim.token.id for claim in next_seat.claim(100)]
            assert (order[0], len(order)) == ("urgent", len(tokens))
            assert next_seat.claim() == names_in(cut.places.returned) == []


def readable(*buckets: Bucket) -> list[str]:
    """Every token, read strictly: an empty or damaged file is a fault."""
    found = []
    for bucket in buckets:
        for part in PARTS:
            for path in bucket._paths(part):
                try:
                    found.append(bucket.read(path).id)
                except TokenError as error:
                    raise AssertionError(f"damaged: {error}") from error
    return sorted(found)
