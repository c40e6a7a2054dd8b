"""The program as it is used: real files, real signals, real kills."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.ingest.workplace import Workplace

pytestmark = pytest.mark.slow
_PROGRAM = [sys.executable, "-c", "from penstock.cli import main; main()"]
_FILES, _ROWS = 6, 50


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    """Six files of fifty rows and one bad line each, in plans of two, and one that is torn."""
    made = Workplace(tmp_path)
    for number in range(_FILES):
        made.put(f"{number}.ndjson.gz", range(number * _ROWS, (number + 1) * _ROWS), "nonsense")
    torn = made.put("9.ndjson.gz", range(1000, 9000))
    torn.write_bytes(torn.read_bytes()[:-100])
    return made


def start(*arguments: object, **environ: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [*_PROGRAM, *map(str, arguments)],
        env={**os.environ, **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end(child: "subprocess.Popen[str]") -> tuple[int, str, str]:
    out, err = child.communicate(timeout=60)
    return child.returncode, out, err


def answer(*arguments: object) -> Any:
    code, out, err = end(start(*arguments, "--output", "json"))
    assert code == 0, err
    return json.loads(out)


def check_all_is_accounted_for(place: Workplace) -> None:
    """Every good line is a row once, every bad one a dead letter once, and the torn file one."""
    assert place.rows() == list(range(_FILES * _ROWS))
    letters = answer("dlq", "ls", place.config)
    expected = [(f"{number}.ndjson.gz", _ROWS + 1) for number in range(_FILES)]
    assert sorted((x["name"], x["line"]) for x in letters) == [*expected, ("9.ndjson.gz", 0)]


@pytest.mark.parametrize(
    "point",
    [
        "plan.written",
        "output.stored",
        "letters.stored",
        "seal.before",
        "seal.written",
        "commit.before",
        "commit.after",
        "ack.before",
    ],
)
def test_a_killed_run_is_resumed_without_loss_or_double(place: Workplace, point: str) -> None:
    killed = start("run", "--once", place.config, PENSTOCK_FAILPOINTS=f"{point}@2=kill")

    assert end(killed)[0] == -signal.SIGKILL
    report = answer("run", "--once", place.config)

    assert report["pipelines"][0]["ended"] == "completed"
    check_all_is_accounted_for(place)


def test_a_follower_reads_what_comes_and_drains_at_a_signal(place: Workplace) -> None:
    follower = start("run", place.config, "--metrics-address", "127.0.0.1:0", "--output", "json")
    assert follower.stderr is not None
    address = dict(_until(follower, "address"))["address"]
    told = _until(follower, "plans").get("rows", 0)
    place.put("late.ndjson.gz", [5000])
    while told < _FILES * _ROWS + 1:  # told once it is counted, which is after it is in the table
        told += _until(follower, "plans").get("rows", 0)
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=60) as reply:
        metrics = reply.read().decode()
    follower.send_signal(signal.SIGTERM)
    code, out, _ = end(follower)

    assert code == 0
    figures = json.loads(out)["pipelines"][0]
    assert figures["files_processed"] == _FILES + 1
    assert figures["records_processed"] == len(place.rows())
    assert (figures["dead_lines"], figures["dead_files"]) == (_FILES, 1)
    rows = f'penstock_records_processed_total{{pipeline="p"}} {len(place.rows())}'
    assert rows in metrics


@pytest.mark.parametrize("point", ["commit.after", "ack.after"])
def test_after_a_kill_the_figures_in_the_log_add_up_to_the_table(
    place: Workplace, point: str
) -> None:
    """What the killed run committed and could not tell is told by the next one, as found or as settled."""
    killed = start("run", "--once", place.config, PENSTOCK_FAILPOINTS=f"{point}@2=kill")
    assert end(killed)[0] == -signal.SIGKILL

    code, _, log = end(start("run", "--once", place.config, "--output", "json"))

    told = [json.loads(line) for line in log.splitlines()]
    found = sum(line["rows"] for line in told if line["event"] == "plans found settled")
    settled = sum(line.get("rows", 0) for line in told if line["event"] == "plans settled")
    assert code == 0
    assert found == 2 * _ROWS * (2 if point == "ack.after" else 1)
    assert found + settled == len(place.rows()) == _FILES * _ROWS


def test_a_second_signal_ends_at_once_what_the_next_start_finishes(place: Workplace) -> None:
    """Here an upload hangs for ever: no drain can wait for it, and nothing of it may be lost."""
    stuck = start("run", "--once", place.config, PENSTOCK_FAILPOINTS="output.stored@2=wait:600")
    while _until(stuck, "plan")["plan"] < 2:
        pass
    stuck.send_signal(signal.SIGTERM)
    _until(stuck, "signal")
    stuck.send_signal(signal.SIGTERM)

    assert end(stuck)[0] == 128 + signal.SIGTERM
    answer("run", "--once", place.config)
    check_all_is_accounted_for(place)


def test_a_drain_that_takes_too_long_is_cancelled_and_told(place: Workplace) -> None:
    """How long is too long stands in the configuration."""
    text = place.config.read_text()
    place.config.write_text(f"global: {{supervision: {{drain_deadline: 0.2s}}}}\n{text}")
    stuck = start("run", place.config, PENSTOCK_FAILPOINTS="output.stored@2=wait:600")
    while _until(stuck, "plan")["plan"] < 2:
        pass
    stuck.send_signal(signal.SIGTERM)

    assert end(stuck)[0] == 4
    place.config.write_text(text)
    answer("run", "--once", place.config)
    check_all_is_accounted_for(place)


def _until(child: "subprocess.Popen[str]", key: str) -> dict[str, Any]:
    """The next line of the log that has a field called `key`."""
    assert child.stderr is not None
    for line in child.stderr:
        found: dict[str, Any] = json.loads(line)
        if key in found:
            return found
    raise AssertionError(f"the log ended without {key!r}")


@pytest.mark.case("k19")
def test_a_dry_run_changes_nothing_and_names_the_plans(place: Workplace) -> None:
    files = answer("run", "--dry-run", place.config)

    assert [(file["plan"], file["name"][0]) for file in files] == [
        (1, "0"), (1, "1"), (2, "2"), (2, "3"), (3, "4"), (3, "5"), (4, "9"),
    ]  # fmt: skip
    assert not (place.root / "lake").exists()


def test_what_init_writes_is_ingested(tmp_path: Path) -> None:
    answer("init", tmp_path)

    report = answer("run", "--once", tmp_path)

    [figures] = report["pipelines"]
    assert (figures["files_processed"], figures["records_processed"]) == (3, 1152)
    assert (figures["dead_lines"], figures["dead_files"]) == (0, 0)


def test_one_dead_letter_is_shown_with_its_bytes(place: Workplace) -> None:
    answer("run", "--once", place.config)
    first = answer("dlq", "ls", place.config)[0]

    code, out, _ = end(start("dlq", "show", place.config, "--id", first["id"]))

    assert code == 0
    assert out.endswith("\nnonsense\n")


def test_a_log_for_people_is_written_where_nobody_watches_live(place: Workplace) -> None:
    """Elsewhere than on a terminal lines are JSON, unless somebody who reads them asks for text."""
    code, _, err = end(start("run", "--once", place.config, "--log-format", "text"))

    assert code == 0
    assert "working on a plan [ingest] pipeline=p plan=1 files=2\n" in err


def test_a_failure_limit_exits_with_3(place: Workplace) -> None:
    place.configure(max_failures=1)

    code, _, err = end(start("run", "--once", place.config))

    assert code == 3
    assert "max_failures is 1" in err
