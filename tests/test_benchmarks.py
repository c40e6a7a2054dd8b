"""The benchmarks measure what they say: tried on a sliver of the data."""

import sys
from pathlib import Path

import pytest

from benchmarks import contenders
from benchmarks.data import FLAT_FILES, NESTED_FILES, SETS, DataSet, data_set
from benchmarks.harness import Contender, Cost, RunFailedError, compare, measure, ratio, table


@pytest.fixture(scope="module")
def slivers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, DataSet]:
    """Both data sets, very small."""
    folder = tmp_path_factory.mktemp("data")
    return {name: data_set(name, 0.0005, folder=folder) for name in SETS}


@pytest.mark.slow
@pytest.mark.parametrize("name", SETS)
def test_every_peer_reads_every_row(slivers: dict[str, DataSet], tmp_path: Path, name: str) -> None:
    """A peer that loses rows would be compared with, and win."""
    data = slivers[name]
    programs = [*contenders.peers(data), *contenders.floor(data)]
    programs += [contenders.handed_over(data), contenders.penstock(data)]

    costs = compare(programs, rows=data.rows, rounds=1, folder=tmp_path)

    assert [len(runs) for runs in costs.values()] == [1] * len(programs)


@pytest.mark.slow
@pytest.mark.parametrize("name", SETS)
def test_the_data_are_the_same_every_time(
    slivers: dict[str, DataSet], tmp_path: Path, name: str
) -> None:
    again = data_set(name, 0.0005, folder=tmp_path)

    assert [file.read_bytes() for file in again.files] == [
        file.read_bytes() for file in slivers[name].files
    ]
    assert len(again.files) == {"flat": FLAT_FILES, "nested": NESTED_FILES}[name]


def python(program: str) -> list[str]:
    """The command that runs `program`."""
    return [sys.executable, "-S", "-E", "-c", program]


def test_the_work_of_a_process_is_measured_and_its_children_s_too(tmp_path: Path) -> None:
    spin = "import time; end = time.process_time() + 0.1\nwhile time.process_time() < end: pass"
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {spin!r}])"

    assert measure(python(child), tmp_path / "log").cpu_s >= 0.1


def test_the_peak_of_memory_is_in_bytes(tmp_path: Path) -> None:
    cost = measure(python("bytearray(100_000_000).count(b'x')"), tmp_path / "log")

    assert 100e6 < cost.peak_bytes < 200e6


def test_a_program_that_fails_is_no_result(tmp_path: Path) -> None:
    with pytest.raises(RunFailedError, match=r"(?s)ended with 3:.*why"):
        measure(python("print('why'); raise SystemExit(3)"), tmp_path / "log")


def test_a_program_that_writes_other_rows_is_no_result(tmp_path: Path) -> None:
    lossy = Contender("lossy", lambda _: python(""), lambda _: 9)

    with pytest.raises(RunFailedError, match="lossy wrote 9 rows, expected 10"):
        compare([lossy], rows=10, rounds=1, folder=tmp_path)


def test_the_order_alternates(tmp_path: Path) -> None:
    """What one leaves in the caches does not always help the same other one."""
    order: list[str] = []

    def contender(name: str) -> Contender:
        return Contender(name, lambda _: order.append(name) or python(""), lambda _: 0)

    compare([contender("a"), contender("b")], rows=0, rounds=3, folder=tmp_path)

    assert order == ["a", "b", "b", "a", "a", "b"]


def test_ratios_are_taken_within_a_round() -> None:
    """A round in which the whole machine was slow changes no ratio."""
    ours = [Cost(1, 1, 1), Cost(10, 1, 1), Cost(1, 1, 1)]
    theirs = [Cost(2, 3, 1), Cost(20, 3, 1), Cost(2, 3, 1)]

    assert ratio(ours, theirs, lambda cost: cost.wall_s) == 2
    assert table({"us": ours, "them": theirs}, "us")[-1] == (
        "| them | 2.00 (2.00 to 20.00) | 3.00 | 0 | 2.00 | 3.00 |"
    )
