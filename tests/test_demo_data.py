"""The demo's files hold what their maker says they hold."""

import gzip
import json
from pathlib import Path

import pytest

from demo.make_data import TRUNCATED, make_data


@pytest.mark.slow
def test_the_truth_about_the_demo_data_is_true(tmp_path: Path) -> None:
    truth = make_data(tmp_path)

    good = bad = cut = 0
    for path in sorted(tmp_path.iterdir()):
        try:
            lines = gzip.decompress(path.read_bytes()).decode().splitlines()
        except EOFError:
            cut += 1
            assert path.name == f"flights-{TRUNCATED:02}.ndjson.gz"
            continue
        whole = [is_flight(line) for line in lines]
        good += whole.count(True)
        bad += whole.count(False)

    assert (good, bad, cut) == (truth.rows, truth.bad_lines, truth.truncated_files)
    assert good + bad + truth.lost_flights == truth.flights == 336_776
    assert len(list(tmp_path.iterdir())) == truth.files


def is_flight(line: str) -> bool:
    """What a strict reader says of one line."""
    try:
        flight = json.loads(line, parse_constant=refuse)
    except ValueError:
        return False
    return isinstance(flight.get("flight"), int)


def refuse(word: str) -> None:
    raise ValueError(word)
