"""Stages in processes: the same semantics, and workers that may die."""

import asyncio
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock import Flow, stage
from penstock.flow import FlowFailedError, NotPicklableError, Stage
from penstock.flow._chunk import Task
from penstock.flow._process import WorkerProcess, preparation
from penstock.flow._worker_process import Setup
from penstock.process import Frame
from tests.flow import process_stages as work
from tests.flow.left_behind import nothing_new

pytestmark = pytest.mark.slow
EXAMPLE = Path(__file__).parents[2] / "examples" / "three_stages.py"


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """No child, descriptor, segment or thread outlives a run."""
    with nothing_new():
        yield


def test_the_three_stage_example_prints_what_it_says() -> None:
    """A producer, a doubling stage with several workers, a printer: from a script, in order."""
    done = subprocess.run([sys.executable, EXAMPLE], capture_output=True, text=True, check=True)

    assert done.stdout.split() == [str(2 * number) for number in range(1, 11)]
    assert done.stderr == ""


def test_the_end_of_the_stream_reaches_every_worker() -> None:
    """One end mark on a shared queue stops one worker only, and the program never ends."""
    rows: list[int] = []

    report = (
        Flow("end") | range(50) | stage(pool="process", workers=3)(work.twice) | rows.append
    ).run()

    assert sorted(rows) == [2 * number for number in range(50) if number != 13]
    assert (report.dead, report.ending) == (1, "finished")
    assert [letter.reason for letter in report.dead_letters] == ["poison"]


def test_a_dead_worker_does_not_hang_the_rest() -> None:
    """Only the message in its hands is tried again, and is a dead letter after the third crash."""
    rows: list[int] = []

    report = (
        Flow("die") | range(60) | stage(pool="process", workers=2)(work.die_at_seven) | rows.append
    ).run()

    assert sorted(rows) == [number for number in range(60) if number != 7]
    (letter,) = report.dead_letters
    assert (letter.message_id, letter.reason, letter.attempts) == ("7", "crash", 3)
    assert "signal SIGKILL" in letter.error
    assert report.stages["die_at_seven"].replaced == 3


def test_a_message_survives_one_crash_of_its_worker(tmp_path: Path) -> None:
    """A crash costs an attempt, not the message."""
    rows: list[int] = []
    items = [(number, str(tmp_path)) for number in range(6)]

    report = (Flow("once") | items | stage(pool="process")(work.die_once) | rows.append).run()

    assert sorted(rows) == list(range(6))
    assert (report.dead, report.stages["die_once"].retries) == (0, 1)


def test_generators_batches_and_decorated_functions_run_there_too() -> None:
    """Changing the pool changes no user code."""
    rows: list[int] = []
    flow = (
        Flow("all")
        | range(5)
        | stage(pool="process", batch=3, within="10ms")(work.reject_three)
        | work.decorated
        | (lambda number: -number)
        | stage(pool="process", streaming=True)(work.divide)
        | rows.append
    )

    report = flow.run()

    assert sorted(rows) == sorted([*range(1), *range(2), *range(4)])
    assert (report.dead, report.filtered, report.acked) == (1, 1, 5)
    assert report.statistics.balanced


def test_large_payloads_travel_through_shared_memory_and_leave_nothing() -> None:
    """Above and below the border of 256 KiB, there and back."""
    sizes = [0, 1, 262_000, 262_144, 3_000_000]
    rows: list[int] = []

    flow = (
        Flow("large")
        | sizes
        | stage(pool="process")(work.grow)
        | stage(pool="process")(len_of)
        | rows.append
    )
    flow.run()

    assert sorted(rows) == sizes


def len_of(data: bytes) -> int:
    return len(data)


def test_what_cannot_travel_is_named_with_the_way_out() -> None:
    """A function, a payload and a result."""

    def local(number: int) -> int:
        return number

    for items, function, name in (
        ([1], local, "local"),
        ([lambda: 0], work.twice, "<lambda>"),
        ([1], work.unpicklable, "a result of its function"),
    ):
        with pytest.raises(FlowFailedError, match="use pool='thread'") as caught:
            (Flow("stay") | items | stage(pool="process")(function) | print).run()
        assert isinstance(caught.value.__cause__, NotPicklableError)
        assert name in str(caught.value)


@pytest.mark.parametrize(
    "made",
    [
        stage(pool="process", chunk=1)(work.kind_of),
        stage(pool="process", chunk=32)(work.kind_of),
        stage(pool="process", batch=8, within="1ms")(work.kinds_of),
    ],
    ids=["chunk of 1", "chunks", "batches"],
)
def test_what_a_worker_cannot_unpickle_costs_one_message(made: Stage[..., Any]) -> None:
    """Also where it came with others; the worker lives on, and says what was raised."""
    rows: list[str] = []

    report = (Flow("far") | [*range(300), work.Homebound(), *range(300)] | made | rows.append).run()

    assert rows == ["int"] * 600
    [letter] = report.dead_letters
    assert (letter.message_id, letter.reason, letter.error_class) == ("300", "error", "EOFError")
    assert [one.replaced for one in report.stages.values()] == [0, 0]


UNGUARDED = """
import sys
from penstock import Flow, stage
from penstock.flow import read_lines
@stage(pool="process")
def double(line: bytes) -> bytes:
    return line * 2
flow = Flow("bare", checkpoint=sys.argv[1]) | read_lines(sys.argv[2]) | double
{start}
"""


@pytest.mark.parametrize("start", ["(flow | print).run()", "list(flow.stream())"])
def test_a_script_without_the_guard_is_told_of_it(tmp_path: Path, start: str) -> None:
    """Its workers import it, and start the flow again: that asks no source, and takes no lock."""
    script, lines = tmp_path / "bare.py", tmp_path / "lines"
    script.write_text(UNGUARDED.format(start=start))
    lines.write_text("1\n2\n")

    done = subprocess.run(
        [sys.executable, script, tmp_path / "state", lines],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(
        "penstock.flow._report.FlowFailedError: flow 'bare' failed: FatalError: the workers of stage 'double' import"
    )
    assert 'below `if __name__ == "__main__":`' in done.stderr
    assert "freeze_support" not in done.stderr


def test_a_death_after_what_could_not_be_unpickled_is_charged_to_its_own_message() -> None:
    """The requests are counted on both ends, those that are refused too."""
    rows: list[int] = []
    made = stage(pool="process", chunk=1)(work.die_at_seven)

    report = (Flow("both") | [1, work.Homebound(), 6, 7, 8] | made | rows.append).run()

    assert sorted(rows) == [1, 6, 8]
    assert {letter.reason for letter in report.dead_letters} == {"error", "crash"}
    assert report.stages["die_at_seven"].replaced == 3


def test_a_worker_that_dies_between_two_requests_had_nothing_in_hand() -> None:
    """Else the first message of the next chunk would be blamed, and be dead after three accidents."""
    setup = Setup(
        preparation("idle"), ("tests.flow.process_stages", "twice"), Task("idle", False, 9)
    )

    async def scenario() -> tuple[object, int | None]:
        process = WorkerProcess(setup, "idle")
        await process.started()
        process.send(Frame(("chunk", (3, [1, 2, 3]))))
        [(answer, (results, *_))] = await process.receive()
        process.kill()
        process.send(Frame(("chunk", (1, [4]))))
        with pytest.raises(ConnectionError):
            await process.receive()
        in_hand = process.in_hand
        await process.aclose()
        assert answer == "done"
        return results, in_hand

    assert asyncio.run(scenario()) == ([2, 4, 6], None)


def test_what_a_worker_answered_before_it_died_counts() -> None:
    """Also where its death is seen by a request that cannot be sent, before its answers have been read."""
    setup = Setup(
        preparation("dead"), ("tests.flow.process_stages", "die_at_seven"), Task("dead", False, 9)
    )

    async def scenario() -> tuple[list[Any], int | None]:
        process = WorkerProcess(setup, "dead")
        await process.started()
        handle = os.pidfd_open(process.pid)
        process.send(Frame(("chunk", (1, [1, 2, 7, 8])), requests=4), 4)
        # In the loop's own thread, so that nothing is read meanwhile.
        select.select([handle], [], [])
        os.close(handle)
        process.send(Frame(("chunk", (1, [9]))))
        answers = await process.receive()
        with pytest.raises(ConnectionError):
            await process.receive()
        in_hand = process.in_hand
        await process.aclose()
        return [results for _, (results, *_) in answers], in_hand

    assert asyncio.run(scenario()) == ([[1], [2]], 0)


def test_requests_that_the_socket_cannot_take_at_once_are_sent_when_it_can() -> None:
    """Every time, and the loop asks for room only as long as something waits for it."""
    setup = Setup(preparation("burst"), ("builtins", "len"), Task("burst", False, 9))

    async def scenario() -> tuple[list[int], bool]:
        process = WorkerProcess(setup, "burst")
        await process.started()
        lengths = []
        for _ in range(2):
            for n in range(20):
                process.send(Frame(("chunk", (1, ["x" * 200_000 + "y" * n]))))
            answers: list[Any] = []
            while len(answers) < 20:
                answers += await process.receive()
            lengths += [length - 200_000 for _, (results, *_) in answers for length in results]
        asks = asyncio.get_running_loop().remove_writer(process._sock)
        await process.aclose()
        return lengths, asks

    assert asyncio.run(scenario()) == ([*range(20), *range(20)], False)


PARENT = """
import sys
from penstock import Flow, stage
from tests.flow.process_stages import hang
(Flow("orphan") | [sys.argv[1]] | stage(pool="process")(hang) | print).run()
"""


def test_no_worker_outlives_a_parent_that_was_killed(tmp_path: Path) -> None:
    """The worker sees its socket close, also in the middle of a call."""
    mark = tmp_path / "pid"
    os.mkfifo(mark)
    root = Path(__file__).parents[2]
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(mark)], cwd=root)
    pid = int(mark.read_text())
    handle = os.pidfd_open(pid)

    parent.send_signal(signal.SIGKILL)
    parent.wait()

    gone, _, _ = select.select([handle], [], [], 60)
    os.close(handle)
    assert gone == [handle]
