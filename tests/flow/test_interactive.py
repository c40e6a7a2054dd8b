"""Ctrl-C, as it reaches real programs: in a plain one, under a loop, in a loop over results, in a REPL."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

PARTS = """
import asyncio, signal, sys, threading
from penstock import Flow

async def numbers():
    print("begun", flush=True)
    try:
        for number in range(10**9):
            yield number
            await asyncio.sleep(0.001)
    finally:
        print("draining", flush=True)

async def one():
    try:
        yield 1
        # Whatever is asked of the flow from now on finds it in a pull that does not return.
        print("begun", flush=True)
        await asyncio.Event().wait()
    finally:
        print("draining", flush=True)

async def same(number):
    return number

async def stuck(number):
    await asyncio.Event().wait()

def show(report):
    threads = [one.name for one in threading.enumerate() if one.name == "penstock flow"]
    print(report.ending, report.statistics.balanced, report.in_flight > 0, threads, flush=True)

# A program that a shell starts in the background is born with it ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
endless = Flow("endless", drain_timeout="1h") | numbers() | same
"""


def interrupted(tmp_path: Path, program: str, *, signals: int = 1, repl: bool = False) -> list[str]:
    """What the program printed; the first signal is sent when it has begun, the second when it drains."""
    path = tmp_path / "program.py"
    path.write_text(PARTS + program)
    command = [sys.executable, "-i", "-q"] if repl else [sys.executable, str(path)]
    child = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert child.stdin is not None
    assert child.stdout is not None
    # A program that hangs is a failure to be seen, not to be waited for.
    guard = threading.Timer(60, child.kill)
    guard.start()
    with child:
        if repl:
            child.stdin.write(f"exec(open({str(path)!r}).read())\nprint('still', 'here')\n")
            child.stdin.flush()
        lines = []
        for line in child.stdout:
            lines.append(line.strip())
            if (line.endswith("begun\n") and signals > 0) or (
                line.endswith("draining\n") and signals > 1
            ):
                child.send_signal(signal.SIGINT)
            if "still here" in line:
                child.stdin.close()
    guard.cancel()
    return [line for line in lines if not line.endswith(("begun", "draining"))]


RUNS = {
    "plain": "report = {flow}.run()\nshow(report)\n",
    "under a loop": (
        "async def main():\n"
        "    report = {flow}.run()\n"
        "    await asyncio.sleep(0)\n"
        "    show(report)\n"
        "asyncio.run(main())\n"
    ),
}


@pytest.mark.parametrize("where", RUNS)
def test_ctrl_c_drains_a_run_and_the_report_is_returned(tmp_path: Path, where: str) -> None:
    """Also where a loop runs already, as in a notebook: there the flow is in a thread of its own."""
    program = RUNS[where].format(flow="(endless | (lambda number: None))")

    assert interrupted(tmp_path, program) == ["drained True False []"]


@pytest.mark.parametrize("where", RUNS)
def test_a_second_ctrl_c_cancels_a_run(tmp_path: Path, where: str) -> None:
    """A stage that never ends does not keep anyone."""
    program = RUNS[where].format(flow="(Flow('one', drain_timeout='1h') | one() | stuck)")

    assert interrupted(tmp_path, program, signals=2) == ["cancelled True True []"]


def test_the_handlers_of_the_program_come_back_after_a_run_under_a_loop(tmp_path: Path) -> None:
    """The second Ctrl-C is for the program again."""
    program = (
        "async def main():\n"
        "    before = signal.getsignal(signal.SIGINT)\n"
        "    (endless | (lambda number: None)).run()\n"
        "    print(signal.getsignal(signal.SIGINT) is before)\n"
        "asyncio.run(main())\n"
    )

    assert interrupted(tmp_path, program) == ["True"]


def test_ctrl_c_is_heard_by_a_caller_that_waits_already(tmp_path: Path) -> None:
    """As where the signal meets another thread than the one that has to wake up for it."""
    program = (
        "def interrupt(number):\n"
        "    if number == 3:\n"
        "        signal.pthread_kill(threading.get_ident(), signal.SIGINT)\n"
        "async def main():\n"
        "    show((endless | interrupt).run())\n"
        "asyncio.run(main())\n"
    )

    assert interrupted(tmp_path, program, signals=0) == ["drained True False []"]


LOOPS = {
    "for": "try:\n    for _ in results: pass\nexcept KeyboardInterrupt:\n    show(results.report)\n",
    "async for": (
        "async def main():\n"
        "    async for _ in results: pass\n"
        "try:\n    asyncio.run(main())\nexcept KeyboardInterrupt:\n    show(results.report)\n"
    ),
}


@pytest.mark.parametrize("loop", LOOPS)
def test_ctrl_c_in_a_loop_over_results_ends_the_flow_first(tmp_path: Path, loop: str) -> None:
    """The exception is the caller's, as in any loop; nothing is left behind it."""
    (line,) = interrupted(tmp_path, f"results = endless.stream()\n{LOOPS[loop]}")

    assert line.startswith("cancelled True")
    assert line.endswith("[]")


def test_ctrl_c_in_a_repl_returns_to_its_prompt_with_the_report(tmp_path: Path) -> None:
    """The session goes on."""
    lines = interrupted(
        tmp_path, RUNS["plain"].format(flow="(endless | (lambda _: None))"), repl=True
    )

    assert any("drained True False []" in line for line in lines)
    assert any("still here" in line for line in lines)
