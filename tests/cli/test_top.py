"""`penstock top`: a look at a flow that runs elsewhere."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from penstock import Flow, stage
from penstock.telemetry import HealthBoard, Metrics, TelemetryServer
from penstock.testing import FakeClock
from tests.cli.conftest import Penstock


@pytest.fixture
def served() -> Iterator[str]:
    """The address of a flow that has delivered 10 of 12 messages, and is done."""
    metrics = Metrics()

    async def parse(number: int) -> int:
        if number in (3, 4):
            raise ValueError(number)
        return number

    async def store(number: int) -> None:
        pass

    (Flow("events", capacity=64) | range(12) | parse | stage(workers=2)(store)).run(metrics=metrics)
    server = TelemetryServer(metrics, HealthBoard(FakeClock()))
    yield server.start("127.0.0.1:0")
    server.stop()


def test_one_look_shows_the_stages_in_their_order(served: str, penstock: Penstock) -> None:
    """Though metrics are sorted by name."""
    ended = penstock("top", served, "--once")

    head, columns, first, second = ended.out.splitlines()
    assert ended.code == 0
    assert "flow events" in head
    assert "10 delivered" in head
    assert columns.split()[:4] == ["STAGE", "POOL", "QUEUE", "PER_S"]
    assert first.split()[:4] == ["parse", "async", "x1", "0/64"]
    assert first.split()[-1] == "2"
    assert second.split()[:4] == ["store", "async", "x2", "0/64"]


def test_programs_get_every_figure_as_json(served: str, penstock: Penstock) -> None:
    """In seconds, bytes and shares."""
    [flow] = json.loads(penstock("top", f"http://{served}", "--once", "--output", "json").out)

    assert (flow["flow"], flow["pulled"], flow["delivered"], flow["dead"]) == ("events", 12, 10, 2)
    parse = flow["stages"][0]
    assert (parse["stage"], parse["workers"], parse["failures"], parse["dead"]) == (
        "parse",
        1,
        2,
        2,
    )
    assert 0 < parse["p50"] <= parse["p99"]
    assert 0 <= parse["busy"] <= 1


def test_where_nothing_runs_it_says_how_to_run_something(penstock: Penstock) -> None:
    """Rather than a table of nothing."""
    ended = penstock("top", "127.0.0.1:1", "--once")

    assert ended.code == 1
    assert "no flow answers at http://127.0.0.1:1/metrics" in ended.err
    assert "flow.run(metrics=" in ended.err


def test_a_server_without_a_flow_is_no_flow(penstock: Penstock) -> None:
    """A program may serve other metrics."""
    server = TelemetryServer(Metrics(), HealthBoard(FakeClock()))
    address = server.start("127.0.0.1:0")

    ended = penstock("top", address, "--once")
    server.stop()

    assert ended.code == 1
    assert "runs no flow" in ended.err


def test_a_live_view_ends_with_its_flow(penstock: Penstock) -> None:
    """A flow that is over is no error for who watched it."""
    begun, looked, metrics = threading.Event(), threading.Event(), Metrics()
    server = TelemetryServer(metrics, HealthBoard(FakeClock()))
    address = server.start("127.0.0.1:0")

    def hold(number: int) -> None:
        begun.set()
        metrics.on_scrape(looked.set)
        looked.wait(60)

    def run() -> None:
        (Flow("watched") | [1] | stage(pool="thread")(hold)).run(metrics=metrics)
        server.stop()

    running = threading.Thread(target=run)
    running.start()
    begun.wait(60)
    ended = penstock("top", address, "--every", "0.05")
    running.join()

    assert ended.code == 0
    assert "flow watched" in ended.out
    assert "the flow has ended" in ended.out


PROGRAM = """
import sys
from penstock import Flow

def hold(name):
    print("begun", flush=True)
    sys.stdin.read(1)

(Flow(sys.argv[1]) | [1] | hold).run(metrics=True)
"""


@contextmanager
def at_work(name: str, folder: Path) -> Iterator[None]:
    """A program that runs a flow of that name, and has the directory for its temporary files."""
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, name],
        env={**os.environ, "TMPDIR": str(folder)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert program.stdout is not None
    assert program.stdout.readline() == b"begun\n"
    try:
        yield
    finally:
        program.communicate(b"!")
    assert program.returncode == 0


def top(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """`penstock top` without an address, for a user who has that directory."""
    command = [str(Path(sys.executable).with_name("penstock")), "top", "--once", *arguments]
    environment = {**os.environ, "TMPDIR": str(folder)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_without_an_address_the_flow_that_runs_is_found_and_several_are_listed(
    tmp_path: Path,
) -> None:
    """Nobody has to remember ports."""
    with at_work("first", tmp_path):
        alone = top(tmp_path)
        with at_work("second", tmp_path):
            both, told = top(tmp_path), top(tmp_path, "--output", "json")
    after = list((tmp_path / f"penstock-{os.getuid()}").iterdir())

    assert alone.stdout.startswith("flow first, ")
    assert "hold" in alone.stdout
    assert both.stdout.startswith("2 programs run flows; look at one with `penstock top ADDRESS`")
    assert [
        row["flow"] for row in sorted(json.loads(told.stdout), key=lambda row: row["flow"])
    ] == [
        "first",
        "second",
    ]
    assert after == []
