"""A pipeline that is killed anywhere, any number of times, loses no row and doubles none.

What is killed is the whole product as `penstock run --once` runs it: discovery, the flow, the
decoder, Parquet, dead letters, the Delta table.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.ingest.kills import Campaign, KillServer
from tests.ingest.whole_pipeline import VICTIM

PER_POINT = 1
RANDOM = 11
CAMPAIGNS = 3
SOAK_KILLS = 1000
_ORDERS = [*VICTIM.points, *["*"] * RANDOM]


@pytest.fixture(scope="module")
def server() -> Iterator[KillServer]:
    server = KillServer("whole_pipeline")
    yield server
    server.close()


@pytest.mark.case("i-a")
@pytest.mark.case("i-b")
@pytest.mark.case("k16")
@pytest.mark.slow
@pytest.mark.parametrize("seed", range(CAMPAIGNS))
def test_a_killed_pipeline_ends_with_every_row_once(
    server: KillServer, tmp_path: Path, seed: int
) -> None:
    """SIGKILL at every named point and at random crossings, counted only while work was open."""
    campaign = Campaign(server, VICTIM, tmp_path, seed)

    campaign.run(_ORDERS)

    print(f"kills by point: {dict(campaign.kills)}, not counted: {campaign.not_counted}")
    assert campaign.kills == Counter({**dict.fromkeys(VICTIM.points, PER_POINT), "random": RANDOM})


def test_the_campaigns_together_keep_their_promise() -> None:
    """At least 60 kills, at least 3 at each named point."""
    assert CAMPAIGNS * PER_POINT >= 3
    assert CAMPAIGNS * len(_ORDERS) >= 60


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["run_unsealed", "run_hasty"])
def test_kills_find_a_planted_fault(server: KillServer, tmp_path: Path, fault: str) -> None:
    """No seal; an acknowledgement before the commit. A proof that cannot fail proves nothing.

    A kill some milliseconds behind a point may miss the fault, so that one campaign may.
    """
    victim = replace(VICTIM, target=f"whole_pipeline:{fault}")

    def look() -> None:
        for seed in range(1, 6):
            Campaign(server, victim, tmp_path / str(seed), seed).run(_ORDERS)

    with pytest.raises(AssertionError, match=r"failed by itself|lost|doubled"):
        look()


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_thousand_kills_change_nothing(
    server: KillServer, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """The long proof."""
    kills: Counter[str] = Counter()
    not_counted = files = 0
    seed = 1000
    while kills.total() < SOAK_KILLS:
        seed += 1
        campaign = Campaign(server, VICTIM, tmp_path / str(seed), seed)
        campaign.run(_ORDERS)
        kills += campaign.kills
        not_counted += campaign.not_counted
        files += campaign.files_made

    record_property("kills", kills.total())
    record_property("fewest at one point", min(kills[point] for point in VICTIM.points))
    record_property("kills too late to count", not_counted)
    record_property("files ingested", files)
