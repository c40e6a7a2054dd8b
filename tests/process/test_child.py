"""Children are limited, and nothing of them is left behind."""

import asyncio
import os
import subprocess
import sys
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from penstock.base import RetryPolicy, SystemClock
from penstock.process import (
    ExitKind,
    ExitStatus,
    ProcessFailedError,
    ProcessSpec,
    ProcessStartError,
    open_process,
    run_process,
    run_with_restarts,
    tree_members,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="trees are read from /proc"),
]

_FAMILY = """
import os, signal, time
if os.fork() == 0:
    os.setsid()              # out of our session
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.fork()
os.write(1, b"x")
time.sleep(600)
"""


def _python(code: str, tmp_path: Path, **options) -> ProcessSpec:
    argv = (sys.executable, "-I", "-S", "-c", code)
    return ProcessSpec(argv, log_file=tmp_path / "log", grace=timedelta(0), **options)


def _run(spec: ProcessSpec) -> ExitStatus:
    return asyncio.run(run_process(spec, clock=SystemClock()))


async def _until_logged(log: Path, text: str) -> None:
    """A file has no event to wait for; the test's timeout bounds this."""
    while text not in (log.read_text() if log.exists() else ""):
        await asyncio.sleep(0.01)


def test_environment_directory_and_output_are_its_own(tmp_path: Path) -> None:
    """What a child sees is written down, not inherited by chance."""
    code = (
        "import os, sys; print(sorted(os.environ)[:1], os.getcwd(), flush=True); sys.exit('told')"
    )

    status = _run(_python(code, tmp_path, env={"A_KEY": "1"}, cwd=tmp_path))

    assert status == ExitStatus(ExitKind.EXITED, 1)
    assert (tmp_path / "log").read_text().splitlines() == [f"['A_KEY'] {tmp_path}", "told"]


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("pass", ExitStatus(ExitKind.EXITED, 0)),
        ("raise SystemExit(7)", ExitStatus(ExitKind.EXITED, 7)),
        ("import os; os.kill(os.getpid(), 11)", ExitStatus(ExitKind.SIGNALLED, 139)),
    ],
)
def test_the_way_it_ended_is_told(code: str, status: ExitStatus, tmp_path: Path) -> None:
    """A crash and an exit code are different facts."""
    assert _run(_python(code, tmp_path)) == status


def test_a_time_limit_ends_it_and_is_named(tmp_path: Path) -> None:
    """A hung child must not look like one that was killed by somebody."""
    spec = _python("import time; time.sleep(600)", tmp_path, timeout=timedelta(seconds=0.2))

    assert _run(spec).kind is ExitKind.TIMEOUT


def test_a_memory_limit_counts_the_whole_tree_and_is_named(tmp_path: Path) -> None:
    """The child that eats the memory is often a grandchild."""
    code = (
        "import os, time\nif os.fork() == 0:\n    held = b'x' * 90_000_000\n    time.sleep(600)\n"
        "time.sleep(600)\n"
    )

    assert _run(_python(code, tmp_path, memory_bytes=60_000_000)).kind is ExitKind.MEMORY


def test_stopping_ends_the_whole_tree_even_orphans_that_left_the_session(tmp_path: Path) -> None:
    """A daemon that nobody knows of holds files and ports for weeks."""

    async def scenario() -> tuple[int, list[int]]:
        async with open_process(_python(_FAMILY, tmp_path), clock=SystemClock()) as child:
            await _until_logged(tmp_path / "log", "xxx")
            family = tree_members(child.pid)
            status = await child.stop()
            assert status.kind is ExitKind.STOPPED
        return len(family), [member.pid for member in family if _alive(member.pid)]

    assert asyncio.run(scenario()) == (3, [])


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_cancelling_the_run_ends_the_child(tmp_path: Path) -> None:
    """A stage that is cancelled must not leave its work running."""

    async def scenario() -> int:
        spec = _python("import os, time; print(os.getpid(), flush=True); time.sleep(600)", tmp_path)
        task = asyncio.create_task(run_process(spec, clock=SystemClock()))
        await _until_logged(tmp_path / "log", "\n")
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled()
        return int((tmp_path / "log").read_text())

    assert not _alive(asyncio.run(scenario()))


def test_a_child_dies_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    """SIGKILL leaves no time to tidy up: the kernel must do it."""
    parent = f"""
import asyncio, sys
from penstock.base import SystemClock
from penstock.process import ProcessSpec, run_process
code = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
spec = ProcessSpec((sys.executable, "-c", code), log_file=__import__("pathlib").Path({str(tmp_path / "log")!r}))
asyncio.run(run_process(spec, clock=SystemClock()))
"""
    with subprocess.Popen([sys.executable, "-c", parent]) as process:
        asyncio.run(_until_logged(tmp_path / "log", "\n"))
        child = int((tmp_path / "log").read_text())
        watch = os.pidfd_open(child)
        process.kill()
        asyncio.run(_until_readable(watch))

    assert not _alive(child)


async def _until_readable(watch: int) -> None:
    """A pidfd becomes readable when its process ends."""
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(watch, ended.set)
    await asyncio.wait_for(ended.wait(), 60)
    asyncio.get_running_loop().remove_reader(watch)
    os.close(watch)


def test_no_file_descriptor_and_no_zombie_is_left(tmp_path: Path) -> None:
    """A service starts thousands of children between two restarts of its own."""

    async def scenario() -> None:
        spec = _python("pass", tmp_path)
        await run_process(spec, clock=SystemClock())
        files, children = _open_files(), _children()
        for _ in range(3):
            await run_process(spec, clock=SystemClock())
        assert _open_files() <= files
        assert _children() <= children  # those of other tests may be there

    asyncio.run(scenario())


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def _children() -> set[str]:
    """Of this process, zombies included."""
    found = set()
    for place in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it ended while we looked
            if place.read_text().rpartition(")")[2].split()[1] == str(os.getpid()):
                found.add(place.parent.name)
    return found


def test_a_program_that_is_not_there_is_an_error_that_names_it(tmp_path: Path) -> None:
    """Exit code 127 in a log is found an hour later."""
    with pytest.raises(ProcessStartError, match="'no-such-program'"):
        _run(ProcessSpec(("no-such-program",)))
    with pytest.raises(ProcessStartError, match="missing"):
        _run(_python("pass", tmp_path, cwd=tmp_path / "missing"))


def test_a_failed_program_is_started_again_until_it_succeeds(tmp_path: Path) -> None:
    """What failed once for a moment's reason should not need a person."""
    code = (
        "import os, sys; sys.exit(0 if os.path.exists('seen') else open('seen', 'w').close() or 3)"
    )
    spec = _python(code, tmp_path, cwd=tmp_path)
    retry = RetryPolicy(initial_interval=timedelta(milliseconds=1), maximum_attempts=3)

    assert asyncio.run(run_with_restarts(spec, retry=retry, clock=SystemClock())) == 2


def test_attempts_come_to_an_end_with_the_place_of_the_output(tmp_path: Path) -> None:
    """The error must lead to the reason."""
    spec = _python("raise SystemExit(3)", tmp_path)
    retry = RetryPolicy(initial_interval=timedelta(milliseconds=1), maximum_attempts=2)

    with pytest.raises(ProcessFailedError, match=r"code 3.*log"):
        asyncio.run(run_with_restarts(spec, retry=retry, clock=SystemClock()))


def test_a_grandchild_that_keeps_the_output_open_keeps_nobody_waiting(tmp_path: Path) -> None:
    """With a pipe this hangs until the grandchild ends."""
    code = "import os, time\nif os.fork() == 0:\n    time.sleep(600)\n"

    assert _run(_python(code, tmp_path)) == ExitStatus(ExitKind.EXITED, 0)
