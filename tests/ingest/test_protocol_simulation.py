"""The protocol holds in every history that a seed can make, and each of its rules is needed."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from penstock.ingest._committer import Committer
from penstock.ingest._layout import STATE_FOLDER, plan_key, seal_key
from penstock.ingest._ledger import Ledger, OpenPlan, Settlement
from penstock.ingest._plan import FileVersion, Plan
from penstock.ingest._planner import Planner
from penstock.ingest._producer import Produced
from penstock.ingest._seal import Seal
from penstock.ingest._sealer import Sealer
from penstock.table import CommitUnknownError, ConflictError, TableSnapshot
from tests.ingest.simulation import Rules, Scheduler, ViolationError, simulate

SEEDS = 20_000
SOAK_SEEDS = 100_000
MUTANT_SEEDS = 3_000


@pytest.fixture(scope="module")
def scheduler() -> Scheduler:
    return Scheduler(3)


@pytest.mark.case("k10")
@pytest.mark.case("k18")
@pytest.mark.slow
@pytest.mark.parametrize("block", range(10))
def test_every_row_is_in_the_table_once_in_every_history(scheduler: Scheduler, block: int) -> None:
    """Rivals, crashes at every step, transient failures, lost answers, voids, changing files."""
    voids = commits = 0
    for seed in range(block * SEEDS // 10, (block + 1) * SEEDS // 10):
        world = simulate(seed, scheduler)
        commits += len(world.table.commits)
        voids += sum(len(commit.transactions) > 1 for commit in world.table.commits)

    assert commits > SEEDS // 10
    assert voids > SEEDS // 200


def _simulate_all(seeds: range, scheduler: Scheduler, rules: Rules) -> None:
    for seed in seeds:
        simulate(seed, scheduler, rules)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_no_history_of_many_more_is_different(
    scheduler: Scheduler, record_property: Callable[[str, object], None]
) -> None:
    """Seeds that the daily run does not reach."""
    commits = voids = 0
    for seed in range(SEEDS, SEEDS + SOAK_SEEDS):
        world = simulate(seed, scheduler)
        commits += len(world.table.commits)
        voids += sum(len(commit.transactions) > 1 for commit in world.table.commits)

    record_property("seeds", SOAK_SEEDS)
    record_property("commits", commits)
    record_property("voids among them", voids)


def test_a_seed_gives_the_same_history_every_time(scheduler: Scheduler) -> None:
    """A failing seed can be looked at for as long as it takes."""
    for seed in range(20):
        first, second = simulate(seed, scheduler), simulate(seed, scheduler)
        assert first.objects == second.objects
        assert first.table.commits == second.table.commits


class LastSealWins(Sealer):
    """No seal: everybody takes the own outcome for the truth."""

    def seal(self, entry: OpenPlan, produced: Produced) -> Seal:
        seal = Seal(
            pipeline=entry.plan.pipeline,
            seq=entry.plan.seq,
            plan_sha256=entry.plan_sha256,
            parts=produced.parts,
            dead_letters=produced.dead_letters,
            outcomes=produced.outcomes,
        )
        self._store.put(seal_key(seal.pipeline, seal.seq), seal.encode())
        return seal


class BlindCommitter(Committer):
    """Does not look at the table's numbers before it commits."""

    def _bring(self, entry: OpenPlan, *, give_up: bool) -> Settlement:
        for _ in range(10):
            try:
                self._commit(entry, self._table.snapshot(), give_up=give_up)
            except (ConflictError, CommitUnknownError):
                continue
            break
        return super()._bring(entry, give_up=give_up)


def _void_key(seq: int) -> str:
    return f"{STATE_FOLDER}/voids/{seq}"


class OutsideCommitter(Committer):
    """Keeps voids beside the table."""

    def _ended(self, entry: OpenPlan, snapshot: TableSnapshot) -> Settlement:
        if self._store.head(_void_key(entry.plan.seq)):
            return Settlement.VOIDED
        return super()._ended(replace(entry, previous=0), snapshot)

    def _commit(self, entry: OpenPlan, snapshot: TableSnapshot, *, give_up: bool) -> None:
        if give_up or not self._complete(entry.seal):
            self._store.put(_void_key(entry.plan.seq), b"")
        else:
            super()._commit(entry, snapshot, give_up=False)


class OutsideLedger(Ledger):
    """Looks for voids beside the table."""

    def _update(self, entry: OpenPlan, snapshot: TableSnapshot) -> None:
        seq = entry.plan.seq
        if entry.settlement is Settlement.OPEN and self._records.store.head(_void_key(seq)):
            entry = self.settled(seq, Settlement.VOIDED)
        super()._update(entry, snapshot)

    def acknowledged(self, entry: OpenPlan) -> None:
        if entry.settlement is Settlement.VOIDED:
            del self._open[entry.plan.seq]
        else:
            super().acknowledged(entry)


class HastyPlanner(Planner):
    """Takes the next free number without reading what the numbers before it hold."""

    def _write(self, files: list[FileVersion]) -> None:
        seq = self._ledger.next_seq
        while True:
            plan = Plan(
                pipeline=self._template.pipeline,
                seq=seq,
                lane=self._template.lane,
                table_id=self._ledger.table_id,
                schema_id=self._template.schema_id,
                planned_at=self._clock.now(),
                files=tuple(files),
                writer=self._template.writer,
            )
            if self._store.put_if_absent(plan_key(plan.pipeline, seq), plan.encode()):
                self._ledger.refresh()
                return
            seq += 1


@pytest.mark.parametrize(
    "mutant",
    [
        pytest.param(Rules(sealer=LastSealWins), id="no seal"),
        pytest.param(Rules(committer=BlindCommitter), id="no look at txn before a commit"),
        pytest.param(
            Rules(committer=OutsideCommitter, ledger=OutsideLedger), id="a void outside the table"
        ),
        pytest.param(Rules(planner=HastyPlanner), id="a planner that has not read all plans"),
    ],
)
def test_a_protocol_without_one_of_its_rules_is_caught(scheduler: Scheduler, mutant: Rules) -> None:
    """Else the simulation would prove nothing about that rule."""
    promise = r"seed \d+: ViolationError: .*(times|not ascending|with rows|still)"

    with pytest.raises(ViolationError, match=promise):
        _simulate_all(range(MUTANT_SEEDS), scheduler, mutant)
