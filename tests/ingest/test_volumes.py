"""A long history is read in few requests, and says what its originals say."""

import gzip
import json
import logging
from collections import Counter
from pathlib import Path

import pytest

from penstock.base import FailpointError, Failpoints
from penstock.ingest._history import read_history
from penstock.ingest._layout import plan_key, volume_key
from penstock.ingest._ledger import Ledger
from penstock.ingest._records import Records
from penstock.ingest._volumes import Binder
from penstock.storage import LocalStore, StoreUnavailableError
from tests.ingest.line_pipeline import PIPELINE, build, drain, parts, run_once

SIZE = 3
PLANS = 7


def put_files(root: Path, count: int) -> None:
    """So many files, of which a plan takes two."""
    (root / "source").mkdir()
    for number in range(count):
        data = json.dumps({"id": number}).encode() + b"\n"
        (root / "source" / f"{number:02}.json.gz").write_bytes(gzip.compress(data))


class CountingStore(LocalStore):
    """Counts what is asked for, by its folder."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.asked: Counter[str] = Counter()

    def get(self, key: str) -> bytes:
        self.asked[key.split("/")[2]] += 1
        return super().get(key)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The table of seven plans: two volumes of three, and one that is in none."""
    put_files(tmp_path, 2 * PLANS)
    drain(*build(tmp_path, Failpoints(), volume_size=SIZE))
    return tmp_path


def ledger(root: Path, volume_size: int = SIZE) -> tuple[Ledger, CountingStore]:
    """As it is after a start."""
    store = CountingStore(root / "table")
    fresh = Ledger(store, parts(root).table, PIPELINE, volume_size=volume_size)
    fresh.refresh()
    return fresh, store


def standing(ledger: Ledger) -> list[str]:
    return [ledger.status("main", f"{number:02}.json.gz") for number in range(2 * PLANS)]


def volume(root: Path, first: int) -> Path:
    return root / "table" / volume_key(PIPELINE, first)


def test_settled_plans_are_read_by_the_volume(root: Path) -> None:
    """One request per volume in place of two per plan: after a year, minutes in place of hours."""
    fresh, store = ledger(root)

    assert standing(fresh) == ["committed"] * 2 * PLANS
    assert fresh.next_seq == PLANS + 1
    assert fresh.open_plans == ()
    # The seventh, and the question for an eighth.
    assert (store.asked["volumes"], store.asked["plans"], store.asked["results"]) == (3, 2, 1)


def test_volumes_hold_what_the_originals_hold(root: Path) -> None:
    """Byte for byte: plans are known by the digest of their bytes."""
    store = LocalStore(root / "table")
    bound, single = (Records(store, PIPELINE, volume_size=size) for size in (SIZE, 1000))
    for seq in range(1, PLANS + 1):
        copy, original = bound.plan(seq), single.plan(seq)
        assert copy is not None
        assert original is not None
        assert (copy.plan, copy.data) == (original.plan, original.data)
        assert (copy.seal or bound.seal(seq)) == single.seal(seq)


def test_without_its_volumes_a_history_is_the_same(root: Path) -> None:
    """They are copies; to remove them costs the next start its time, and nothing else."""
    for path in volume(root, 1).parent.iterdir():
        path.unlink()

    assert standing(ledger(root)[0]) == ["committed"] * 2 * PLANS


def test_a_damaged_volume_is_told_and_gone_round(
    root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Half a file, as a disk may leave it."""
    damaged = volume(root, 4)
    damaged.write_bytes(damaged.read_bytes()[:40])

    with caplog.at_level(logging.WARNING):
        fresh, store = ledger(root)

    assert standing(fresh) == ["committed"] * 2 * PLANS
    assert "a copy of the ledger is damaged" in caplog.text
    assert store.asked["plans"] == 5


def test_history_for_people_reads_volumes_too(root: Path) -> None:
    made = parts(root)
    for seq in (1, 2):
        (root / "table" / plan_key(PIPELINE, seq)).unlink()
    store = LocalStore(root / "table")

    past = list(read_history(store, made.table, PIPELINE, volume_size=SIZE))

    assert [(one.plan.seq, one.settlement) for one in past] == [
        (seq, "committed") for seq in range(1, PLANS + 1)
    ]


def test_nothing_is_bound_while_a_plan_in_it_is_open(root: Path) -> None:
    """A volume is for ever; what may still change is not in one."""
    for path in volume(root, 1).parent.iterdir():
        path.unlink()
    binder = Binder(LocalStore(root / "table"), PIPELINE, size=SIZE)

    binder.settled(7, open_plans=[6])
    assert not volume(root, 4).exists()
    binder.settled(7, open_plans=[8])
    assert volume(root, 4).exists()


def test_a_volume_that_a_crash_prevented_is_made_after_the_next_start(tmp_path: Path) -> None:
    put_files(tmp_path, 8)
    with pytest.raises(FailpointError):
        run_once(tmp_path, Failpoints.parse("ack.after@3=error"))
    assert not volume(tmp_path, 1).exists()

    run_once(tmp_path, Failpoints())

    assert volume(tmp_path, 1).exists()


class StubbornStore(LocalStore):
    """Stores no volumes."""

    def put_if_absent(self, key: str, data: bytes) -> bool:
        if "/volumes/" in key:
            raise StoreUnavailableError(key, "simulated")
        return super().put_if_absent(key, data)


def test_a_store_that_refuses_volumes_does_not_stop_the_work(tmp_path: Path) -> None:
    put_files(tmp_path, 8)
    made = parts(tmp_path)
    made.store = StubbornStore(tmp_path / "table")
    cycle, discovery = build(tmp_path, Failpoints(), made)

    drain(cycle, discovery)

    assert cycle.totals.files == 8
