"""Engines killed at any moment: nothing is lost, doubled, stuck, or done again without need."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.engines.killed_engine import BETWEEN, Campaign, tell_later


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_a_killed_engine_leaves_nothing_lost_doubled_or_stuck(tmp_path: Path, seed: int) -> None:
    """Sixty kills over 300 runs of twelve steps, in five parts."""
    campaign = Campaign(tmp_path, runs=60, seed=seed)

    campaign.run(kills=12)

    assert campaign.kills.total() == 12


@pytest.mark.slow
def test_an_event_kept_in_a_second_transaction_is_caught(tmp_path: Path) -> None:
    """The proof sees what it is there for."""
    campaign = Campaign(tmp_path, runs=4, seed=7, mutant=tell_later, points=(BETWEEN,))

    with pytest.raises(AssertionError, match="lost event"):
        campaign.run(kills=1)


@pytest.mark.soak
def test_many_killed_engines_leave_nothing_lost_doubled_or_stuck(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """The same, 500 times over 5,000 runs."""
    kills = 0
    for seed in range(50):
        folder = tmp_path / str(seed)
        folder.mkdir()
        campaign = Campaign(folder, runs=100, seed=1_000 + seed)
        campaign.run(kills=10)
        kills += campaign.kills.total()
    record_property("runs", 5_000)
    record_property("kills", kills)
    assert kills == 500
