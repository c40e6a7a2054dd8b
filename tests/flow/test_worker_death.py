"""What workers may die of: named, and at the cost of what they had in hand."""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from penstock import Flow, FlowReport, RetryPolicy, stage
from penstock.base import ConfigError
from penstock.flow import WorkerDiedError
from penstock.flow._control_groups import ControlGroups
from penstock.flow._death import Coroner
from penstock.flow._outcome import reason_of
from penstock.flow._worker_process import OUT_OF_MEMORY
from penstock.testing import FakeClock
from tests.flow import gated_stage
from tests.flow import process_stages as work
from tests.flow.memory_group import memory_group, run_within


def run(function: Any, count: int = 5, **options: Any) -> tuple[list[Any], FlowReport]:
    rows: list[Any] = []
    made = stage(pool="process", **options)(function)
    return rows, (Flow("die") | range(count) | made | rows.append).run()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("function", "options", "reason", "said", "attempts"),
    [
        (work.segfault_at_two, {}, "crash", "died (signal SIGSEGV)", 3),
        (work.abort_at_two, {}, "crash", "died (signal SIGABRT)", 3),
        (work.exit_at_two, {}, "crash", "died (exit code 3)", 3),
        (work.fill_at_two, {"memory": "256MiB"}, "memory", "", 1),
    ],
    ids=["segfault", "abort", "exit", "memory"],
)
def test_a_death_costs_the_message_in_hand_and_is_named(
    function: Any, options: dict[str, Any], reason: str, said: str, attempts: int
) -> None:
    """Three attempts for what took its process down, as many as the policy says for the rest."""
    rows, report = run(function, **options)

    assert sorted(rows) == [0, 1, 3, 4]
    [letter] = report.dead_letters
    assert (letter.reason, letter.attempts, letter.payload) == (reason, attempts, 2)
    assert said in letter.error
    assert report.statistics.balanced


@pytest.mark.slow
def test_a_time_out_kills_the_worker_and_costs_one_message(tmp_path: Path) -> None:
    """The others are worked on by its successor; on the flow's clock, which moves once the worker hangs."""
    rows: list[Any] = []
    hung = tmp_path / "hung"
    clock = FakeClock()

    async def scenario() -> FlowReport:
        made = stage(pool="process", timeout="300ms")(work.hang_at_path)
        items = [0, 1, str(hung), 3, 4]
        async with (Flow("late", clock=clock) | items | made | rows.append).start() as running:
            while not hung.exists():
                await asyncio.sleep(0.001)
            await clock.advance(0.3)
            return await running.wait()

    report = asyncio.run(scenario())

    assert sorted(rows) == [0, 1, 3, 4]
    [letter] = report.dead_letters
    assert (letter.reason, letter.attempts, letter.payload) == ("timeout", 1, str(hung))
    assert "longer than its time-out of 0.3s" in letter.error
    assert report.statistics.balanced


@pytest.mark.slow
def test_a_kill_is_named_and_may_have_been_for_memory() -> None:
    """Where the kernel does not say why, the letter says what it may have been."""
    rows: list[int] = []
    killed = stage(pool="process")(work.die_at_seven)

    report = (Flow("kill") | [6, 7, 8] | killed | rows.append).run()

    [letter] = report.dead_letters
    assert letter.reason == "crash"
    assert "died (signal SIGKILL, perhaps out of memory)" in letter.error


@pytest.mark.slow
def test_an_answer_that_does_not_fit_into_the_memory_is_named_too() -> None:
    """The function was done, and its worker could not send the answer: of one alone is known whose fault it is."""
    rows: list[int] = []
    small = [1000] * 100
    made = stage(pool="process", memory="128MiB")(work.answer_with)

    async def count(row: list[bytes]) -> None:
        rows.append(len(row))

    report = (Flow("answer") | [*small, 70_000_000, *small] | made | count).run()

    assert rows == [1] * 200
    [letter] = report.dead_letters
    assert (letter.reason, letter.payload, letter.attempts) == ("memory", 70_000_000, 3)
    assert report.stages["answer_with"].retries == 2


@pytest.mark.slow
def test_the_other_workers_never_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a dead worker's successor has not even loaded its module, the other does all the work.

    By order, not by time: the successor is let in only after the other has done everything.
    """
    for pipe in ("open", "at work"):
        os.mkfifo(tmp_path / pipe)
    monkeypatch.setenv("PENSTOCK_GATE", str(tmp_path))
    rows: list[tuple[int, int]] = []

    async def take(row: tuple[int, int]) -> None:
        rows.append(row)
        if len(rows) == 20:
            await asyncio.to_thread((tmp_path / "open").write_text, "now")

    soon = RetryPolicy(initial_interval="0s", maximum_interval="0s")
    made = stage(pool="process", workers=2, chunk=1, retry=soon)(gated_stage.work)
    report = (Flow("gate", clock=FakeClock()) | range(20) | made | take).run()

    started = [int(pid) for pid in (tmp_path / "started").read_text().split()]
    assert len(started) == 3
    assert {number for number, _ in rows} == set(range(20))
    assert len({pid for _, pid in rows}) == 1
    assert started[2] not in {pid for _, pid in rows}
    assert (report.dead, report.stages["work"].replaced) == (0, 1)


@pytest.mark.slow
def test_a_spare_takes_over_and_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has loaded the stage's module before anyone dies; the next spare starts when it is needed."""
    monkeypatch.setenv("PENSTOCK_GATE", str(tmp_path))
    (tmp_path / "open").write_text("")
    (tmp_path / "at work").write_text("")

    async def scenario() -> tuple[list[int], list[int]]:
        clock, rows, more = FakeClock(), list[int](), asyncio.Event()

        async def numbers() -> Any:
            yield 5
            await more.wait()
            yield 0
            await asyncio.Event().wait()

        made = stage(pool="process", chunk=1)(gated_stage.work)
        flow = Flow("spare", clock=clock) | numbers() | made | (lambda row: rows.append(row[1]))
        async with flow.start() as running:
            while not rows:
                await asyncio.sleep(0.001)
            before = started(tmp_path)
            await clock.advance(1)
            while len(started(tmp_path)) < 2:
                await asyncio.sleep(0.001)
            spare = started(tmp_path)[1]
            more.set()
            while len(rows) < 2:
                await clock.advance(60)
            assert (len(before), rows) == (1, [before[0], spare])
            while len(started(tmp_path)) < 3:
                await asyncio.sleep(0.001)
            await running.drain()
        return rows, started(tmp_path)

    rows, all_started = asyncio.run(scenario())

    assert len(all_started) == 3
    assert rows[1] == all_started[1]


def started(folder: Path) -> list[int]:
    path = folder / "started"
    return [int(line) for line in path.read_text().split()] if path.exists() else []


@pytest.mark.slow
def test_a_spare_that_dies_unseen_harms_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new worker is started in its place, and no message is blamed."""
    monkeypatch.setenv("PENSTOCK_GATE", str(tmp_path))
    for name in ("open", "at work"):
        (tmp_path / name).write_text("")

    async def scenario() -> list[int]:
        clock, rows, more = FakeClock(), list[int](), asyncio.Event()

        async def numbers() -> Any:
            yield 5
            await more.wait()
            yield 0

        made = stage(pool="process", chunk=1)(gated_stage.work)
        flow = Flow("spare", clock=clock) | numbers() | made | (lambda row: rows.append(row[0]))
        async with flow.start() as running:
            while not rows:
                await asyncio.sleep(0.001)
            await clock.advance(1)
            while len(started(tmp_path)) < 2:
                await asyncio.sleep(0.001)
            os.kill(started(tmp_path)[1], signal.SIGKILL)
            more.set()
            while len(rows) < 2:
                await clock.advance(60)
            report = await running.wait()
        assert report.dead == 0
        return rows

    assert asyncio.run(scenario()) == [5, 0]


@pytest.mark.slow
def test_the_kernel_kills_a_worker_for_memory_and_the_letter_says_so() -> None:
    """Without a limit of the stage: that of the container is met. The flow itself lives on."""
    with memory_group() as group:
        ended = run_within(group)

    assert sorted(ended["rows"]) == [0, 1, 3, 4]
    [letter] = ended["letters"]
    assert (letter["payload"], letter["reason"]) == (2, "memory")
    assert "out of memory: the kernel killed it" in letter["error"]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems choose otherwise")
def test_the_kernel_kills_a_worker_before_the_program() -> None:
    """Whichever of them is larger: a program that is killed loses what all its workers had."""
    [score], _ = run(work.oom_score, count=1)

    assert score == min(work.oom_score(0) + 500, 1000)


@pytest.mark.parametrize(
    ("proc", "path", "before", "after"),
    [
        ("0::/app\n", "app/memory.events", "low 0\noom_kill 3\n", "low 0\noom_kill 4\n"),
        ("4:memory:/app\n", "memory/app/memory.oom_control", "oom_kill 0\n", "oom_kill 1\n"),
        ("4:memory:/host/app\n", "memory/memory.oom_control", "oom_kill 0\n", "oom_kill 1\n"),
    ],
    ids=["version 2", "version 1", "in a container"],
)
def test_a_kill_by_the_kernel_for_memory_is_recognized(
    tmp_path: Path, proc: str, path: str, before: str, after: str
) -> None:
    """Its count of the control group has risen; another SIGKILL after that is not taken for one."""
    (tmp_path / "proc").write_text(proc)
    file = tmp_path / "mount" / path
    file.parent.mkdir(parents=True)
    file.write_text(before)
    coroner = Coroner("s", None, ControlGroups(tmp_path / "proc", tmp_path / "mount"))

    first = coroner.error(-signal.SIGKILL)
    file.write_text(after)
    second, third = coroner.error(-signal.SIGKILL), coroner.error(-signal.SIGKILL)

    assert [reason_of(error) for error in (first, second, third)] == ["crash", "memory", "crash"]
    assert second.how == "signal SIGKILL, out of memory: the kernel killed it"


@pytest.mark.parametrize(
    ("code", "memory", "how", "reason"),
    [
        (OUT_OF_MEMORY, 1 << 30, "out of memory at its limit of 1 GiB", "memory"),
        (OUT_OF_MEMORY, None, "out of memory", "memory"),
        (-signal.SIGABRT, 1 << 30, "signal SIGABRT, perhaps at its memory limit of 1 GiB", "crash"),
        (-signal.SIGABRT, None, "signal SIGABRT", "crash"),
        (-63, None, "signal 63", "crash"),
        (9, None, "exit code 9", "crash"),
    ],
)
def test_every_death_has_a_name(code: int, memory: int | None, how: str, reason: str) -> None:
    """A person reads it in a dead letter; programs read the reason."""
    error = Coroner("s", memory, ControlGroups(Path("/none"), Path("/none"))).error(code)

    assert isinstance(error, WorkerDiedError)
    assert (error.how, reason_of(error)) == (how, reason)


@pytest.mark.parametrize(
    ("proc", "files", "most"),
    [
        ("0::/\n", {}, 1 << 20),
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000", "a/cpu.max": "100000 100000"}, 1),
        ("0::/a\n", {"a/cpu.max": "50000 100000"}, 1),
        (
            "1:cpu,cpuacct:/a\n",
            {"cpu/a/cpu.cfs_quota_us": "100000", "cpu/a/cpu.cfs_period_us": "100000"},
            1,
        ),
        (
            "1:cpu:/a\n",
            {"cpu/a/cpu.cfs_quota_us": "-1", "cpu/a/cpu.cfs_period_us": "100000"},
            1 << 20,
        ),
        (
            "1:cpu:/a\n",
            {"cpu/a/cpu.cfs_quota_us": "150000", "cpu/a/cpu.cfs_period_us": "100000"},
            2,
        ),
    ],
)
def test_automatic_workers_respect_affinity_and_quota(
    tmp_path: Path, proc: str, files: dict[str, str], most: int
) -> None:
    """A container with one processor of sixty-four would be swamped otherwise; parts are rounded up."""
    (tmp_path / "proc").write_text(proc)
    for name, text in files.items():
        (tmp_path / "mount" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "mount" / name).write_text(text)

    usable = ControlGroups(tmp_path / "proc", tmp_path / "mount").usable_cpus()

    assert usable == min(len(os.sched_getaffinity(0)), most)


def test_automatic_workers_are_shown() -> None:
    """Per pool, with the figure for this machine."""
    processors = ControlGroups().usable_cpus()
    for pool, count in (
        ("process", processors),
        ("thread", min(processors + 4, 32)),
        ("async", 32),
    ):
        made = stage(pool=pool, workers="auto")(work.twice)  # type: ignore[call-overload]
        text = (Flow("auto") | [1] | made | print).explain()
        assert f"twice: {count} {pool} worker{'s' if count > 1 else ''} (auto)" in text


def test_wrong_limits_are_refused() -> None:
    """Where they are written, all at once."""
    with pytest.raises(ConfigError, match="'many'; or 'auto'") as caught:
        stage(pool="process", workers="many", memory="1MiB")(work.twice)  # type: ignore[call-overload]
    assert "expected at least 64MiB, which an interpreter takes, got '1MiB'" in str(caught.value)
    with pytest.raises(ConfigError, match="memory= limits worker processes"):
        stage(pool="thread", memory="1GiB")(work.twice)
