"""A real process takes real signals."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

_CHILD = Path(__file__).with_name("signal_child.py")


@contextmanager
def _child(how: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, str(_CHILD), how]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as child:
        try:
            assert sorted(_lines(child, 2)) == ["a started", "b started"]
            yield child
        finally:
            child.kill()


def _lines(child: subprocess.Popen[str], count: int) -> list[str]:
    return [child.stdout.readline().rstrip() for _ in range(count)]


@pytest.mark.case("k29")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGQUIT])
def test_each_of_the_three_signals_drains_every_pipeline(number: signal.Signals) -> None:
    """Work in hand is finished, and a follower that has drained has succeeded."""
    with _child("drain") as child:
        child.send_signal(number)
        finished, (last,) = _lines(child, 2), _lines(child, 1)

        assert len(finished) == 2
        assert last.startswith(f"ended: {number.name}, ")
        assert last.count("drained") == 2
        assert last.endswith("True")  # the handlers from before are back
        assert child.wait(60) == 0


def test_a_second_signal_cancels_what_does_not_drain() -> None:
    """Whoever presses twice gets the prompt back, and a code that says so."""
    with _child("hang") as child:
        child.send_signal(signal.SIGINT)
        _lines(child, 2)
        child.send_signal(signal.SIGINT)
        (last,) = _lines(child, 1)

        assert "a second signal came" in last
        assert child.wait(60) == 130
