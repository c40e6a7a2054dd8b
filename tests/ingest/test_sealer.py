"""What is sealed adds up, and the first seal is the only one."""

import pytest
from msgspec.structs import replace

from penstock.base import Failpoints
from penstock.ingest._committer import Committer
from penstock.ingest._layout import live_lane
from penstock.ingest._ledger import Ledger, OpenPlan
from penstock.ingest._plan import FileVersion, Plan, WriterSettings
from penstock.ingest._producer import Produced
from penstock.ingest._protocol_errors import AccountingError, DamagedStateError
from penstock.ingest._seal import DeadLetterFile, FileOutcome, FileState, Part
from penstock.ingest._sealer import Sealer
from penstock.storage import LocalStore, ObjectStore, open_store
from penstock.testing import MemoryTable
from tests.ingest.line_pipeline import PIPELINE, build
from tests.ingest.test_protocol import put

WRITER = WriterSettings(codec="zstd", file_size=1, row_group_rows=1, spill_limit=1)
PART = Part(name="part-1", size=4, sha256="", rows=2, stats="{}")
LETTERS = DeadLetterFile(name="dead-1", size=4, sha256="", letters=1)
GOOD = FileOutcome(state=FileState.ROWS, rows=2, dead_lines=1)


def make_entry(*, seq: int = 1, previous: int = 0) -> OpenPlan:
    file = FileVersion(source="s", name="a.json", size=1, version="1")
    plan = Plan(
        pipeline="p",
        seq=seq,
        lane=live_lane("p"),
        table_id="memory",
        schema_id="",
        planned_at="2024-01-01T00:00:00Z",
        files=(file,),
        writer=WRITER,
    )
    return OpenPlan(plan, "digest", previous)


@pytest.fixture
def store() -> ObjectStore:
    store = open_store("memory://lake")
    store.put("dead-1", b"1234")
    return store


@pytest.mark.parametrize(
    ("produced", "says"),
    [
        (Produced((), LETTERS, (GOOD,)), "2 rows read, 0 rows written"),
        (Produced((PART,), LETTERS, ()), "1 files planned, 0 outcomes"),
        (
            Produced((PART,), LETTERS, (replace(GOOD, dead_lines=2),)),
            "2 lines and files dead, 1 dead letters",
        ),
        (
            Produced((PART,), LETTERS, (replace(GOOD, state=FileState.GONE),)),
            "a.json is gone and has 2 rows",
        ),
        (
            Produced((PART,), replace(LETTERS, name="dead-2"), (GOOD,)),
            "dead-2 are not stored",
        ),
    ],
)
def test_an_outcome_that_does_not_add_up_is_not_sealed(
    store: ObjectStore, produced: Produced, says: str
) -> None:
    """The first seal is for ever, so a wrong one must not be written."""
    sealer = Sealer(store, dead_letters=store, failpoints=Failpoints())

    with pytest.raises(AccountingError, match=says):
        sealer.seal(make_entry(), produced)

    assert not list(store.list("_penstock"))


def test_the_first_seal_is_adopted_by_everybody_else(store: ObjectStore) -> None:
    """Whatever they made themselves are orphans."""
    sealer = Sealer(store, dead_letters=store, failpoints=Failpoints())
    first = sealer.seal(make_entry(), Produced((PART,), LETTERS, (GOOD,)))
    other = replace(PART, name="part-2")

    assert sealer.seal(make_entry(), Produced((other,), LETTERS, (GOOD,))) == first


def test_a_seal_of_another_plan_is_not_adopted(store: ObjectStore) -> None:
    """A folder put together from two copies would claim rows that are not there."""
    sealer = Sealer(store, dead_letters=store, failpoints=Failpoints())
    sealer.seal(make_entry(), Produced((PART,), LETTERS, (GOOD,)))
    another = OpenPlan(make_entry().plan, "another digest", 0)

    with pytest.raises(DamagedStateError, match="another content"):
        sealer.seal(another, Produced((PART,), LETTERS, (GOOD,)))


@pytest.mark.case("k10")
def test_a_plan_is_not_committed_before_the_one_that_comes_first(store: ObjectStore) -> None:
    """The lane's number would say that both are in."""
    sealer = Sealer(store, dead_letters=None, failpoints=Failpoints())
    entry = make_entry(seq=2, previous=1)
    seal = sealer.seal(entry, Produced((), None, (FileOutcome(state=FileState.GONE),)))
    table = MemoryTable()
    committer = Committer(store, table, failpoints=Failpoints())

    with pytest.raises(DamagedStateError, match="comes before 2"):
        committer.settle(OpenPlan(entry.plan, entry.plan_sha256, 1, seal))
    with pytest.raises(ValueError, match="must be sealed"):
        committer.settle(entry)

    assert table.commits == []


def test_a_plan_is_given_up_on_request(tmp_path) -> None:
    """Without a seal, too; its files are pending again."""
    put(tmp_path, "a.json.gz", {"id": 1})
    cycle, discovery = build(tmp_path, Failpoints())
    cycle.recover()
    cycle.plan(discovery.look().files)
    table, store = cycle._committer._table, LocalStore(tmp_path / "table")
    ledger = Ledger(store, table, PIPELINE)
    ledger.refresh()

    ended = Committer(store, table, failpoints=Failpoints()).void(ledger.open_plans[0])

    ledger.refresh()
    assert ended == "voided"
    assert ledger.status("main", "a.json.gz") == "pending"
    assert cycle.run(discovery.look().files).rows == 1
