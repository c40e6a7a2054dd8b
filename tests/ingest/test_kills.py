"""A pipeline that is killed anywhere, any number of times, loses no row and doubles none."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.ingest.kills import POINTS, Campaign, KillServer, exactly_once
from tests.ingest.line_pipeline import PIPELINE

PER_POINT = 1
RANDOM = 12
CAMPAIGNS = 3
SOAK_KILLS = 1000


@pytest.fixture(scope="module")
def server() -> Iterator[KillServer]:
    server = KillServer("line_pipeline")
    yield server
    server.close()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(CAMPAIGNS))
def test_a_killed_pipeline_ends_with_every_row_once(
    server: KillServer, tmp_path: Path, seed: int
) -> None:
    """SIGKILL at every named point and at random crossings, counted only while work was open."""
    campaign = Campaign(server, "line_pipeline:run_once", PIPELINE, tmp_path, seed)

    campaign.run([*POINTS * PER_POINT, *["*"] * RANDOM], exactly_once)

    print(f"kills by point: {dict(campaign.kills)}, not counted: {campaign.not_counted}")
    assert campaign.kills == Counter({**dict.fromkeys(POINTS, PER_POINT), "random": RANDOM})


def test_the_campaigns_together_keep_their_promise() -> None:
    """At least 60 kills, at least 3 at each named point."""
    assert CAMPAIGNS * PER_POINT >= 3
    assert CAMPAIGNS * (len(POINTS) * PER_POINT + RANDOM) >= 60


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["run_unsealed", "run_hasty"])
def test_kills_find_a_planted_fault(server: KillServer, tmp_path: Path, fault: str) -> None:
    """No seal; an acknowledgement before the commit. A proof that cannot fail proves nothing."""
    campaign = Campaign(server, f"line_pipeline:{fault}", PIPELINE, tmp_path, 1)

    with pytest.raises(AssertionError, match=r"failed by itself|lost|doubled"):
        campaign.run([*POINTS, *["*"] * 10], exactly_once)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_thousand_kills_change_nothing(
    server: KillServer, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """The long proof; prints its figures as JSON."""
    kills: Counter[str] = Counter()
    started, seed = time.monotonic(), 1000
    while kills.total() < SOAK_KILLS:
        seed += 1
        campaign = Campaign(server, "line_pipeline:run_once", PIPELINE, tmp_path / str(seed), seed)
        campaign.run([*POINTS, *["*"] * 11], exactly_once)
        kills += campaign.kills

    seconds = round(time.monotonic() - started, 1)
    figures = {"kills": kills.total(), "by_point": dict(sorted(kills.items())), "seconds": seconds}
    record_property("kills", json.dumps(figures))
    print(json.dumps(figures))
