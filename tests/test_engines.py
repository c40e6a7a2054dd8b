"""What brings real servers up for tests, and takes them away again whatever happens."""

import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tools.engines.server import ROOT, NotStartedError, NotToBeHadError, free_port, process
from tools.engines.supply import Supply

ENGINE = """
import sys
from contextlib import contextmanager
from tools.engines.__main__ import main
from tools.engines.engine import Engine, Running
from tools.engines.server import process

port = sys.argv.pop()

class Idle(Engine):
    name = "idle"

    def obtain(self, supply):
        return [sys.executable]

    @contextmanager
    def run(self, program, directory):
        command = [*program, "-m", "http.server", "--bind", "127.0.0.1", port]
        with process(command, log=directory / "log", environment={}, ready=lambda: True):
            yield Running({}, "nothing")

main([Idle()])
"""


def server(port: int) -> list[str | Path]:
    return [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port)]


def answers(port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.slow
def test_a_server_that_ends_before_it_answers_is_reported_with_its_last_words(
    tmp_path: Path,
) -> None:
    command = [sys.executable, "-c", "raise SystemExit('no such option')"]

    with (
        pytest.raises(NotStartedError, match=r"(?s)ended with code 1.*no such option"),
        process(command, log=tmp_path / "log", environment={}, ready=lambda: False),
    ):
        pass


@pytest.mark.slow
def test_a_server_is_gone_when_its_tests_are_over_whatever_became_of_them(tmp_path: Path) -> None:
    port = free_port()

    with (
        pytest.raises(ZeroDivisionError),
        process(server(port), log=tmp_path / "log", environment={}, ready=lambda: answers(port)),
    ):
        raise ZeroDivisionError

    assert not answers(port)


@pytest.mark.slow
def test_what_a_server_has_started_goes_with_it(tmp_path: Path) -> None:
    """Also if it dies without a word to its children, as a script does."""
    port = free_port()
    script = " ".join(map(str, server(port))) + " & wait"

    with process(
        ["sh", "-c", script], log=tmp_path / "log", environment={}, ready=lambda: answers(port)
    ):
        pass

    assert not answers(port)


@pytest.mark.slow
def test_a_download_that_hangs_is_ended_and_named() -> None:
    """Its children too, which hold its output open."""
    started = time.monotonic()

    with pytest.raises(NotToBeHadError, match=r"sleep 60` was ended after 0 s"):
        Supply(within_s=0, least_s=0.2).run(["sh", "-c", "sleep 60 & sleep 60"])

    assert time.monotonic() - started < 30


def test_a_download_that_fails_says_why() -> None:
    script = "echo first; echo no such artifact >&2; exit 3"

    with pytest.raises(NotToBeHadError, match=r"failed:\nfirst\nno such artifact"):
        Supply(within_s=60).run(["sh", "-c", script])


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_takes_the_servers_along(number: signal.Signals) -> None:
    """While their tests run."""
    port = free_port()
    command = [sys.executable, "-c", ENGINE, str(port)]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as child:
        deadline, pause = time.monotonic() + 30, threading.Event()
        while not answers(port):
            assert time.monotonic() < deadline
            pause.wait(0.05)

        child.send_signal(number)
        _, said = child.communicate(timeout=60)

    assert child.returncode == 1
    assert "interrupted; every server is stopped" in said
    assert not answers(port)
