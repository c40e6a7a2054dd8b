"""Engines killed at any moment: nothing is lost, doubled, stuck, or done again without need."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.engines.killed_engine import (
    BETWEEN,
    Campaign,
    count_attempts,
    report_without_fence,
    tell_later,
)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_a_killed_engine_leaves_nothing_lost_doubled_or_stuck(tmp_path: Path, seed: int) -> None:
    """Sixty kills over 300 runs of twelve steps, in five parts; at the end of each an engine sleeps."""
    campaign = Campaign(tmp_path, runs=60, seed=seed)

    campaign.run(kills=12, sleeps=1)

    assert (campaign.kills.total(), campaign.sleeps) == (12, 1)


@pytest.mark.slow
def test_an_event_kept_in_a_second_transaction_is_caught(tmp_path: Path) -> None:
    """The proof sees what it is there for."""
    campaign = Campaign(tmp_path, runs=4, seed=7, mutant=tell_later, points=(BETWEEN,))

    with pytest.raises(AssertionError, match="lost event"):
        campaign.run(kills=1)


@pytest.mark.slow
def test_a_report_without_a_fence_is_caught(tmp_path: Path) -> None:
    """An engine that slept reports what another has taken over."""
    campaign = Campaign(tmp_path, runs=1, seed=7, mutant=report_without_fence)

    with pytest.raises(AssertionError, match="reported on twice"):
        campaign.run(kills=0, sleeps=5)


@pytest.mark.slow
def test_a_counter_in_place_of_counted_leases_is_caught(tmp_path: Path) -> None:
    """What was counted for a process that died is never given back."""
    campaign = Campaign(
        tmp_path, runs=4, seed=7, mutant=count_attempts, points=(BETWEEN,), patience=6
    )

    with pytest.raises(AssertionError, match="a run is stuck"):
        campaign.run(kills=1)


@pytest.mark.soak
def test_many_killed_engines_leave_nothing_lost_doubled_or_stuck(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """The same, 500 times over 5,000 runs."""
    kills = sleeps = 0
    for seed in range(50):
        folder = tmp_path / str(seed)
        folder.mkdir()
        campaign = Campaign(folder, runs=100, seed=1_000 + seed)
        campaign.run(kills=10, sleeps=1)
        kills, sleeps = kills + campaign.kills.total(), sleeps + campaign.sleeps
    record_property("runs", 5_000)
    record_property("kills", kills)
    record_property("sleeps", sleeps)
    assert (kills, sleeps) == (500, 50)
