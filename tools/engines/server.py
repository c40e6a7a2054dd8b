"""What every server of `make engines` has in common: a port of its own, a log, an end by process id."""

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

ROOT = Path(__file__).resolve().parent.parent.parent
CACHE = ROOT / ".engines"

_READY_S = 30.0
_STOP_S = 10.0


class NotToBeHadError(Exception):
    """This machine cannot bring the server up; the text says why. Its tests are listed, not run."""


@dataclass(frozen=True)
class Running:
    """A server that answers."""

    environment: Mapping[str, str]
    """What its tests read to find it."""

    about: str
    """Name, version and address, for the list at the end."""


class Engine(Protocol):
    """One server: how to get it, and how to run it."""

    @property
    def name(self) -> str:
        """The word in `@pytest.mark.engine(name)`."""
        ...

    def obtain(self) -> Path:
        """Return the program, from the cache where it is there.

        Raises:
            NotToBeHadError: This machine cannot have it.
        """
        ...

    @contextmanager
    def run(self, program: Path, directory: Path) -> Iterator[Running]:
        """Keep it up on loopback, with all its files below `directory`, while the body runs."""
        ...


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
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run `command` until the body ends, with its output in `log`; the body starts once `ready` says so.

    Raises:
        NotToBeHadError: It ended, or was not ready in time; the text ends with the log's last lines.
    """
    with log.open("ab") as output:
        child = subprocess.Popen(
            [str(part) for part in command],
            env={**os.environ, **environment},
            cwd=log.parent,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _await_ready(child, ready, log)
        yield child
    finally:
        _end(child)


def _await_ready(child: subprocess.Popen[bytes], ready: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + _READY_S
    while not ready():
        ended = child.poll() is not None
        if ended or time.monotonic() > deadline:
            why = f"ended with code {child.returncode}" if ended else f"silent for {_READY_S:g} s"
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-10:])
            raise NotToBeHadError(f"{Path(str(child.args[0])).name} {why}\n{tail}")  # type: ignore[index]  # a list, by construction
        time.sleep(0.05)


def _end(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
