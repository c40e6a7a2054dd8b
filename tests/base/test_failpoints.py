"""Failpoints: nothing unless armed, exact when armed."""

import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from penstock.base import FailpointError, Failpoints


def test_unarmed_points_do_and_count_nothing() -> None:
    points = Failpoints()

    points.cross("a")

    assert points.crossings == {}


def test_an_action_runs_at_its_crossing_only() -> None:
    ran: list[str] = []
    points = Failpoints({("a", 2): ran.append})

    for point in ("a", "b", "b", "a", "a"):
        points.cross(point)

    assert ran == ["a"]
    assert points.crossings == {"a": 3, "b": 2, "*": 5}


def test_a_star_counts_the_crossings_of_all_points_together() -> None:
    ran: list[str] = []
    points = Failpoints({("*", 3): ran.append})

    for point in ("a", "b", "c", "d"):
        points.cross(point)

    assert ran == ["c"]


def test_number_zero_means_every_crossing() -> None:
    ran: list[str] = []
    points = Failpoints({("a", 0): ran.append, ("*", 0): lambda _: ran.append("*")})

    for point in ("a", "b", "a"):
        points.cross(point)

    assert ran == ["a", "*", "*", "a", "*"]


def test_of_many_threads_one_crosses_for_the_nth_time() -> None:
    ran: list[str] = []
    points = Failpoints({("a", 500): ran.append})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(points.cross, ["a"] * 1000))

    assert ran == ["a"]
    assert points.crossings["a"] == 1000


def test_an_armed_error_is_raised_where_the_text_says() -> None:
    points = Failpoints.parse("commit.before@2=error, other=wait:0")

    points.cross("other")
    points.cross("commit.before")
    with pytest.raises(FailpointError, match=r"commit\.before"):
        points.cross("commit.before")


def test_an_empty_text_arms_nothing() -> None:
    points = Failpoints.parse("")
    points.cross("a")

    assert points.crossings == {}


@pytest.mark.parametrize(
    "text",
    ["a", "a=", "=kill", "@1=kill", "a@x=kill", "a@-1=kill", "a=explode", "a=wait:x", "a=wait:-1"],
)
def test_a_text_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected (point|kill)"):
        Failpoints.parse(text)


@pytest.mark.slow
def test_a_kill_ends_the_process_on_the_spot() -> None:
    """SIGKILL: no handler, no cleaning up."""
    program = (
        "import atexit; from penstock.base import Failpoints\n"
        "atexit.register(print, 'cleaned up', flush=True)\n"
        "points = Failpoints.parse('*@2=kill')\n"
        "for name in 'ab': print(name, flush=True); points.cross(name)\n"
        "print('survived', flush=True)"
    )

    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True)

    assert done.returncode == -signal.SIGKILL
    assert done.stdout.split() == [b"a", b"b"]
