"""Steps of type `shell` and `python`: processes, their logs, their results."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from penstock.steps import LocalExecutor, Logs, PythonExecutor, ShellExecutor
from penstock.workflow import executor, record
from tests.process.test_child import _until_logged
from tests.steps.attempts import attempt, finished, place, work


def living(pid: int) -> bool:
    """Whether a process runs; one that waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_the_last_line_of_a_command_is_its_result(tmp_path: Path) -> None:
    """Where the definition says so; what stood before it is only in the log."""
    asked = work("shell", command="echo hello; echo '{\"rows\": 3}'", result="json")

    assert attempt(ShellExecutor(place(tmp_path)), asked).result == {"rows": 3}


def test_a_last_line_that_is_no_json_is_a_failure(tmp_path: Path) -> None:
    seen = attempt(ShellExecutor(place(tmp_path)), work("shell", command="echo x", result="json"))

    assert seen.failure is not None
    assert "got 'x'" in seen.failure.message


def test_a_command_sees_only_what_it_was_given(tmp_path: Path) -> None:
    """A small clean set, the attempt's names and the step's own; values keep their form as JSON."""
    seen = attempt(
        ShellExecutor(place(tmp_path)), work("shell", command="env", env={"A": "it's $HOME"})
    )

    lines = Logs(tmp_path / "state" / "logs").read("run", record.AttemptRef("step")).data.decode()
    assert seen.state is executor.JobState.SUCCEEDED
    assert "A=it's $HOME\n" in lines
    assert "PENSTOCK_KEY=run/step\n" in lines
    assert "PENSTOCK_ATTEMPT=1\n" in lines
    assert "PYTEST" not in lines


@pytest.mark.parametrize(
    ("command", "error"), [("exit 75", "transient"), ("exit 3", "user"), ("kill -9 $$", "user")]
)
def test_how_a_command_ends_says_whether_to_try_again(
    tmp_path: Path, command: str, error: str
) -> None:
    """A program that wants another try says so by its code."""
    seen = attempt(ShellExecutor(place(tmp_path)), work("shell", command=f"echo why; {command}"))

    assert seen.failure is not None
    assert (seen.failure.error, "why" in seen.failure.message) == (error, True)


def test_a_command_that_is_cancelled_is_gone_with_all_that_it_started(tmp_path: Path) -> None:
    """STOPPED is only said when nothing of it runs any more."""

    async def main() -> None:
        doer = ShellExecutor(place(tmp_path))
        asked = work("shell", command="sleep 60 & echo $! ; wait")
        handle = doer.handle(asked)
        await doer.submit(asked, handle)
        logs = Logs(tmp_path / "state" / "logs")
        while not (chunk := logs.read("run", asked.ref)).data:
            await asyncio.sleep(0.01)
        await doer.cancel(handle)
        await doer.cancel(handle)
        seen = await doer.observe(handle)
        assert seen.state is executor.JobState.STOPPED
        assert not living(int(chunk.data))

    asyncio.run(main())


def test_a_job_that_runs_or_has_succeeded_is_met_and_one_that_failed_is_replaced(
    tmp_path: Path,
) -> None:
    """Jobs of one name are one job."""

    async def main() -> None:
        doer = ShellExecutor(place(tmp_path))
        asked = work("shell", command="echo x >> count; test -e good")
        for _ in range(2):
            assert (await finished(doer, asked)).state is executor.JobState.FAILED
        (tmp_path / "good").touch()
        for _ in range(2):
            assert (await finished(doer, asked)).state is executor.JobState.SUCCEEDED
        assert (tmp_path / "count").read_text() == "x\n" * 3
        assert not await ShellExecutor(place(tmp_path)).reattach(doer.handle(asked))

    asyncio.run(main())


def test_a_log_is_read_while_it_grows_from_where_one_was(tmp_path: Path) -> None:
    """And by the attempt; it stays when the process is gone."""
    logs = Logs(tmp_path)
    refs = [
        record.AttemptRef("a", number=2),
        record.AttemptRef("a", 10, 1),
        record.AttemptRef("b-c_d", number=1, undo=True),
    ]
    for ref in refs:
        logs.path("run", ref).write_bytes(b"first\n")
    chunk = logs.read("run", refs[0], limit=3)
    assert chunk.data == b"fir"
    with logs.path("run", refs[0]).open("ab") as file:
        file.write(b"second\n")

    assert logs.read("run", refs[0], offset=chunk.offset).data == b"st\nsecond\n"
    assert logs.attempts("run") == sorted(refs)
    assert logs.read("run", record.AttemptRef("none")).data == b""


MODULE = """\
import atexit, ctypes, os, threading
def good(a, b=1):
    print("working")
    return {"sum": a + b, "step": os.environ["PENSTOCK_STEP"]}
def lost():
    raise ConnectionError("nobody there")
def wrong():
    raise ValueError("no")
def greedy():
    kept = bytearray(600_000_000)
    import time
    while True: time.sleep(0.01)
def unprintable():
    return object()
def rude():
    libc = ctypes.CDLL(None)
    getattr(libc, "__cxa_atexit")(libc.abort, None, None)
    return "done"
def late():
    def write(): print("a thread ended", flush=True)
    threading.Timer(0.05, write).start()
    atexit.register(print, "the program ended")
    return "done"
"""


@pytest.fixture
def python(tmp_path: Path) -> LocalExecutor:
    (tmp_path / "mine.py").write_text(MODULE)
    return PythonExecutor(place(tmp_path))


def test_what_a_function_returns_is_the_result(python: LocalExecutor) -> None:
    """Called with the arguments of the definition, in a process of its own."""
    seen = attempt(python, work("python", entrypoint="mine:good", args={"a": 2}))

    assert seen.result == {"sum": 3, "step": "step"}


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("mine:lost", "transient", "nobody there"),
        ("mine:wrong", "user", "ValueError: no"),
        ("mine:unprintable", "user", "not JSON serializable"),
        ("mine:absent", "config", "cannot be found"),
        ("absent:x", "config", "cannot be found"),
    ],
)
def test_a_function_that_fails_says_why(
    python: LocalExecutor, name: str, error: str, words: str
) -> None:
    """Its class decides whether it is tried again."""
    seen = attempt(python, work("python", entrypoint=name))

    assert seen.failure is not None
    assert (seen.failure.error, words in seen.failure.message) == (error, True)


def test_a_library_that_aborts_when_it_is_taken_down_spoils_no_result(
    python: LocalExecutor,
) -> None:
    """As native thread pools do now and then, when the work is done and its result is there."""
    assert attempt(python, work("python", entrypoint="mine:rude")).result == "done"


def test_what_python_does_at_its_end_is_done(python: LocalExecutor, tmp_path: Path) -> None:
    asked = work("python", entrypoint="mine:late")

    assert attempt(python, asked).result == "done"

    said = Logs(tmp_path / "state" / "logs").read(asked.run, asked.ref).data
    assert said == b"a thread ended\nthe program ended\n"


@pytest.mark.slow
def test_a_function_that_takes_too_much_memory_is_ended(python: LocalExecutor) -> None:
    seen = attempt(python, work("python", entrypoint="mine:greedy", memory="200MiB"))

    assert seen.failure is not None
    assert "memory limit" in seen.failure.message


def test_a_script_is_the_one_of_the_pinned_version(python: LocalExecutor) -> None:
    """Not what stands on the disk by now; arguments come in and the result goes out as JSON."""
    script = (
        "import json, os, pathlib\n"
        "args = json.loads(pathlib.Path(os.environ['PENSTOCK_ARGS']).read_text())\n"
        "pathlib.Path(os.environ['PENSTOCK_ARTIFACTS'], 'report').write_text('done')\n"
        "pathlib.Path(os.environ['PENSTOCK_RESULT']).write_text(json.dumps(args['a'] * 2))\n"
    )
    asked = work("python", script="s.py", args={"a": 4}, files={"s.py": script})

    assert attempt(python, asked).result == 8


ENGINE = """
import asyncio, sys
from pathlib import Path
from penstock.steps import ShellExecutor
from tests.steps.attempts import finished, place, work
asked = work("shell", command="(sleep 600; true) & echo $!; sleep 600; true")
asyncio.run(finished(ShellExecutor(place(Path(sys.argv[1]))), asked))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="environments are read from /proc")
def test_what_a_killed_process_left_of_a_job_has_ended_when_it_is_taken_over(
    tmp_path: Path,
) -> None:
    """Else the next attempt would run beside the last one, and a cancel would be confirmed too early."""
    doer = ShellExecutor(place(tmp_path))
    handle = doer.handle(work("shell", command="true"))
    log = tmp_path / "state" / "logs" / "run" / "step.1.log"
    with subprocess.Popen([sys.executable, "-c", ENGINE, str(tmp_path)]) as killed:
        asyncio.run(_until_logged(log, "\n"))
        left = int(log.read_text())
        killed.kill()
    assert living(left)

    known = asyncio.run(doer.reattach(handle))

    assert (known, living(left)) == (False, False)
