"""What every server of `make engines` has in common: a port of its own, a log, an end by process id."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
CACHE = ROOT / ".engines"

_STOP_S = 30.0
_KILLED_S = (
    2.0  # nobody may be there to collect orphans: then they stay, as names without a process
)


class NotToBeHadError(Exception):
    """This machine cannot have the server; the text says why. Its tests are listed, not run."""


class NotStartedError(Exception):
    """The server is there and does not come up, which is a failure; the text ends with its log's last lines."""


def free_port() -> int:
    """A port on loopback that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def process(
    command: Sequence[str | Path],
    *,
    log: Path,
    environment: Mapping[str, str],
    ready: Callable[[], bool],
    ready_s: float = 30.0,
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run `command` until the body ends, with its output in `log`; the body starts once `ready` says so.

    All other files that it makes without being asked are beside the log, its temporary ones too.

    Raises:
        NotStartedError: It ended, or was not ready within `ready_s` seconds.
    """
    with log.open("ab") as output:
        child = subprocess.Popen(
            [str(part) for part in command],
            env={**os.environ, "TMPDIR": str(log.parent), **environment},
            cwd=log.parent,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _await_ready(child, ready, log, ready_s)
        yield child
    finally:
        end(child, within_s=_STOP_S)


def end(child: "subprocess.Popen[Any]", *, within_s: float, by: int = signal.SIGTERM) -> None:
    """End a child that leads a session of its own, by its id, and then whatever it has left in there.

    It may take `within_s` seconds to end by itself once it has the signal `by`; then it is killed.
    """
    if child.returncode is not None:
        return
    with suppress(ProcessLookupError):
        os.kill(child.pid, by)
    deadline = time.monotonic() + within_s
    while _code(child) is None and time.monotonic() < deadline:
        time.sleep(0.05)
    # While the child is not waited for, nobody else can get its id, which is the session's.
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    deadline = time.monotonic() + _KILLED_S
    while _any_left(child.pid) and time.monotonic() < deadline:
        time.sleep(0.02)


def _any_left(session: int) -> bool:
    """Whether a process of it is still on its way out."""
    try:
        os.killpg(session, 0)
    except ProcessLookupError:
        return False
    return True


def last_lines(text: str, count: int) -> str:
    """The end of a log."""
    return "\n".join(text.splitlines()[-count:])


def _await_ready(
    child: subprocess.Popen[bytes], ready: Callable[[], bool], log: Path, ready_s: float
) -> None:
    deadline = time.monotonic() + ready_s
    while not ready():
        code = _code(child)
        if code is not None or time.monotonic() > deadline:
            why = f"ended with code {code}" if code is not None else f"not ready in {ready_s:g} s"
            tail = last_lines(log.read_text(errors="replace"), 20)
            raise NotStartedError(f"{_name(child)} {why}\n{tail}")
        time.sleep(0.1)


def _code(child: "subprocess.Popen[Any]") -> int | None:
    """How it ended, if it has; without waiting for it, so that its id stays its own."""
    ended = os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    return None if ended is None else ended.si_status


def _name(child: subprocess.Popen[bytes]) -> str:
    program: str = child.args[0]  # type: ignore[index,assignment]  # a list of texts, by construction
    return Path(program).name
