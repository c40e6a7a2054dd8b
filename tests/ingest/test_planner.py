"""When a plan is made, and what goes into it."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from penstock.base import Failpoints
from penstock.ingest._layout import live_lane, plan_key
from penstock.ingest._ledger import Ledger
from penstock.ingest._plan import FileVersion, Plan, WriterSettings
from penstock.ingest._planner import PlanLimits, Planner, PlanTemplate
from penstock.storage import ObjectStore, open_store
from penstock.testing import MemoryTable
from tests.ingest.test_discovery import SteppedClock

WRITER = WriterSettings(codec="zstd", file_size=1, row_group_rows=1, spill_limit=1)


@pytest.fixture
def store() -> ObjectStore:
    return open_store("memory://lake/table")


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


def make_planner(store: ObjectStore, clock: SteppedClock, limits: PlanLimits) -> Planner:
    ledger = Ledger(store, MemoryTable(), "p")
    template = PlanTemplate("p", live_lane("p"), "schema", WRITER)
    return Planner(store, ledger, template, limits=limits, clock=clock, failpoints=Failpoints())


def files(*sizes: int) -> list[FileVersion]:
    return [
        FileVersion(source="s", name=f"{number}.json", size=size, version="1")
        for number, size in enumerate(sizes)
    ]


def planned(store: ObjectStore, seq: int) -> list[str]:
    key = plan_key("p", seq)
    return [file.name for file in Plan.decode(store.get(key), place=key).files]


@pytest.mark.case("k05")
def test_a_plan_waits_for_company_up_to_its_age(store: ObjectStore, clock: SteppedClock) -> None:
    """Small plans give small files; the age bounds what that costs in time."""
    planner = make_planner(store, clock, PlanLimits(max_age=timedelta(seconds=30)))

    assert not planner.plan(files(1), flush=False).planned
    clock.passed = 29.0
    assert planner.plan(files(1, 1), flush=False).waiting == 2
    clock.passed = 30.0
    assert planner.plan(files(1, 1), flush=False).planned

    assert planned(store, 1) == ["0.json", "1.json"]


@pytest.mark.case("k05")
def test_a_full_plan_does_not_wait(store: ObjectStore, clock: SteppedClock) -> None:
    """By number or by size; what is over goes into the next."""
    planner = make_planner(store, clock, PlanLimits(max_files=2))
    assert planner.plan(files(1, 1, 1), flush=False).waiting == 1
    assert planned(store, 1) == ["0.json", "1.json"]

    other = open_store("memory://lake")
    planner = make_planner(other, clock, PlanLimits(max_bytes=10))
    assert planner.plan(files(6, 4, 1), flush=False).planned
    assert planned(other, 1) == ["0.json", "1.json"]


def test_a_file_larger_than_a_plan_gets_its_own(store: ObjectStore, clock: SteppedClock) -> None:
    """The limit bounds company, not files."""
    planner = make_planner(store, clock, PlanLimits(max_bytes=10))

    assert planner.plan(files(50, 1), flush=False).planned
    assert planned(store, 1) == ["0.json"]


def test_the_loser_of_a_race_adopts_the_winners_plan(
    store: ObjectStore, clock: SteppedClock
) -> None:
    """And plans what is left at the next number."""
    slow = make_planner(store, clock, PlanLimits(max_files=1))
    fast = make_planner(store, clock, PlanLimits(max_files=1))
    points = Failpoints({("plan.before", 1): lambda _: fast.plan(files(1, 1)[1:], flush=True)})
    slow._failpoints = points

    assert slow.plan(files(1, 1), flush=True).planned
    assert planned(store, 1) == ["1.json"]
    assert slow.plan(files(1, 1), flush=True).planned

    assert planned(store, 2) == ["0.json"]
    assert store.head(plan_key("p", 3)) is None


@pytest.mark.parametrize(("size", "expected"), [(7, 1), (8, 2), (99, 3)])
def test_a_plan_says_how_many_outputs_are_filled_side_by_side(
    store: ObjectStore, clock: SteppedClock, size: int, expected: int
) -> None:
    """Whoever does its work, on however many cores, fills the same ones."""
    writer = replace(WRITER, file_size=16, strands=3)
    template = PlanTemplate("p", live_lane("p"), "schema", writer)
    planner = Planner(
        store, Ledger(store, MemoryTable(), "p"), template,
        limits=PlanLimits(), clock=clock, failpoints=Failpoints(),
    )  # fmt: skip

    planner.plan([FileVersion(source="s", name="a.gz", size=size, version="1")], flush=True)

    key = plan_key("p", 1)
    assert Plan.decode(store.get(key), place=key).writer.strands == expected
