"""The examples that people copy do what they say."""

import subprocess
import sys
from pathlib import Path

import pytest

from tools.links import ROOT

pytestmark = pytest.mark.slow


def lines_of(example: str, *arguments: str | Path) -> list[str]:
    """What the program prints, once it has ended well and has not complained."""
    command = [sys.executable, "-W", "error", ROOT / "examples" / f"{example}.py", *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)

    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


STORED = ["desk 1000", "plant 990", "platform 1000", "web 1000", "alert: ticks/700 symbol INIT"]


def test_four_bursty_feeds_are_scored_and_stored_and_a_second_run_has_nothing_to_do(
    tmp_path: Path,
) -> None:
    """Ten of the readings have no value, and one price falls by 40."""
    assert lines_of("analytics", tmp_path) == ["3990 delivered, 10 dead", *STORED]
    assert lines_of("analytics", tmp_path) == ["0 delivered, 0 dead", *STORED]


def test_a_web_api_is_asked_no_faster_than_it_allows_and_again_where_it_was_down() -> None:
    """Fifty codes, of which five are refused once."""
    assert lines_of("web_enrichment") == [
        "{'name': 'n0', 'zip': 0, 'city': 'City 0'}",
        "49 enriched with 55 calls",
        "['nobody knows zip code 13']",
        "kept to the rate: True",
    ]


def test_processes_find_the_texts_that_are_nearly_the_same() -> None:
    pairs = [f"text-{number} text-{number + 1}" for number in (198, 298, 398, 98)]

    assert lines_of("near_duplicates") == ["400 texts", *pairs]


def test_what_fans_out_to_three_checks_comes_together_in_one_decision() -> None:
    assert lines_of("fan_out_fan_in") == [
        "20 orders, 20 decisions, 0 open",
        "order 11: refused, stock",
        "order 13: refused, fraud",
        "order 17: refused, stock",
        "order 18: refused, credit",
        "order 19: refused, credit",
        "order 3: refused, fraud",
        "order 5: refused, stock",
    ]
