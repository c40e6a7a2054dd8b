"""The benchmarks measure what they say: tried on a sliver of the data."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import bench_decode, bench_flow, contenders
from benchmarks.data import FLAT_FILES, NESTED_FILES, SETS, DataSet, data_set
from benchmarks.flow_figures import Comparison, Figure, interval
from benchmarks.flow_figures import compare as compare_flows
from benchmarks.harness import Contender, Cost, RunFailedError, compare, measure, ratio, table
from benchmarks.sections import against_peers, faster_peers, flow_lines, other_setting
from benchmarks.verdicts import Verdict, verdicts


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
    programs += [contenders.handed_over(data), contenders.penstock(data), contenders.strings(data)]

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


@pytest.mark.parametrize(
    ("measured", "least", "word"),
    [
        (1.1, False, "holds"),
        (1.1001, False, "**does not hold**"),
        (1.1, True, "holds"),
        (1.0999, True, "**does not hold**"),
    ],
)
def test_a_verdict_follows_from_the_figure_not_from_how_it_is_shown(
    measured: float, least: bool, word: str
) -> None:
    shown = verdicts([Verdict("case", measured, 1.1, 1, least=least)])[-2]

    bound = "at least" if least else "at most"
    assert shown == f"| case | 1.10 | {bound} 1.1 | 1 | {word} |"


def standing(**cpu_s: float) -> dict[str, list[Cost]]:
    """Two rounds, in which only the time differs."""
    names = {"ours": contenders.COMPILED, "strings": contenders.STRINGS}
    return {names.get(key, key): [Cost(cpu, cpu, 10)] * 2 for key, cpu in cpu_s.items()}


def test_every_peer_is_judged_and_duckdb_by_its_own_limit() -> None:
    costs = standing(ours=3, strings=2, duckdb=5, polars=2)

    found = [
        (verdict.case, verdict.measured, verdict.limit, verdict.holds)
        for verdict in against_peers("flat", costs)
        if verdict.case.endswith("CPU")
    ]

    assert found == [
        ("penstock by duckdb, CPU", 0.6, 0.55, False),
        ("penstock by polars, CPU", 1.5, 1, False),
    ]


def test_the_setting_that_is_not_the_default_is_shown_beside_duckdb() -> None:
    assert other_setting(standing(ours=1, strings=4, duckdb=5)) == [
        "penstock, dictionary: strings, by duckdb: CPU 0.80, wall 0.80; what must hold is asked of the default.",
        "",
    ]


def test_a_peer_that_needed_less_is_named() -> None:
    assert faster_peers(standing(ours=4, strings=1, duckdb=5, polars=2)) == [
        "polars needed less CPU (0.50 of ours); polars needed less wall (0.50 of ours)."
    ]
    assert faster_peers(standing(ours=1, duckdb=5)) == ["No peer needed less of anything."]


def test_the_cost_of_bad_lines_and_of_the_plain_path_is_judged() -> None:
    figures = {
        "ours / arro3": 0.2,
        "vector / plain": 0.6,
        "clean / 10 bad of 400000": 0.99,
        "clean / 100 bad of 400000": 0.94,
        "clean / 1000 bad of 400000": 0.88,
    }

    found = bench_decode.judged("flat", figures)

    assert [verdict.holds for verdict in found] == [True, True, False, True, False]


@pytest.mark.slow
@pytest.mark.parametrize("peer", sorted({peer for _, peer, *_ in bench_flow.PEERS}))
def test_every_peer_of_the_flow_delivers_every_message(peer: str) -> None:
    """Those that can be installed for this Python: each run asserts what came out."""
    found, missing = bench_flow.comparisons()
    theirs = [comparison for comparison in found if comparison.case.endswith(f"/ {peer}")]

    assert theirs or peer in missing
    assert all(comparison.peer(20) > 0 for comparison in theirs)


@pytest.mark.slow
@pytest.mark.parametrize("comparison", bench_flow.BARE, ids=lambda one: one.case)
def test_every_figure_of_the_flow_can_be_taken(comparison: Comparison) -> None:
    assert comparison.ours(20) > 0
    assert comparison.peer(20) > 0


def test_a_peer_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bytewax", None)
    monkeypatch.delitem(sys.modules, "benchmarks.peers.flow_bytewax", raising=False)

    found, missing = bench_flow.comparisons()

    assert missing["Apache Beam"]
    assert "bytewax" in missing["bytewax"]
    assert not [one.case for one in found if one.case.endswith("bytewax")]
    assert "bytewax: nobody made it." in flow_lines([], {"bytewax": "nobody made it"})


def test_pairs_alternate_who_begins_and_the_first_is_discarded() -> None:
    order: list[str] = []
    times = iter([100.0, 100.0, 1.0, 2.0, 4.0, 1.0, 1.0, 2.0])

    def way(name: str) -> Callable[[int], float]:
        return lambda _: order.append(name) or next(times)

    figure = compare_flows(Comparison("case", way("ours"), way("peer"), must=1.0), 10, 3)

    assert order == ["ours", "peer", "peer", "ours", "ours", "peer", "peer", "ours"]
    # Ours by the peer's: 2 / 1, 4 / 1, 2 / 1.
    assert (figure.ratio, figure.low, figure.high, figure.holds) == (2.0, 2.0, 4.0, False)


@pytest.mark.parametrize(
    ("count", "low", "high"), [(5, 0, 4), (6, 0, 5), (20, 5, 14), (40, 13, 26)]
)
def test_the_interval_of_a_median_is_that_of_the_sign_test(count: int, low: int, high: int) -> None:
    """Ranks as in the tables of Conover, Practical Nonparametric Statistics: 6 and 15 of 20."""
    assert interval(list(range(count))[::-1]) == (low, high)


@pytest.mark.parametrize(
    ("least", "sure", "judged"),
    [(False, False, 2.0), (False, True, 3.0), (True, False, 2.0), (True, True, 1.0)],
)
def test_where_one_must_be_sure_the_worse_end_decides(
    least: bool, sure: bool, judged: float
) -> None:
    figure = Figure(
        "case", 1, 1, ratio=2.0, low=1.0, high=3.0, must=2.0, aim=None, least=least, sure=sure
    )

    assert figure.judged == judged
    assert figure.holds is not sure
