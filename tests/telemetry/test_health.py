"""Health says what is, with its reasons."""

import asyncio
from datetime import timedelta

import pytest

from penstock.telemetry import HealthBoard, HealthReport, HealthState
from penstock.testing import FakeClock


def _move(clock: FakeClock, seconds: float) -> None:
    asyncio.run(clock.advance(seconds))


def _says(report: HealthReport) -> list[tuple[str, str, str]]:
    return [(reason.component, reason.state, reason.detail) for reason in report.reasons]


@pytest.mark.parametrize(
    ("enter", "ready"),
    [
        ("starting", False),
        ("working", True),
        ("progress", True),
        ("idle", True),
        ("stopping", False),
        ("done", True),
    ],
)
def test_only_parts_that_can_do_their_work_are_ready(enter: str, ready: bool) -> None:
    """Not ready is what a balancer and an alert act on."""
    board = HealthBoard(FakeClock())

    getattr(board.component("flights"), enter)()

    assert board.ready().well is ready


def test_a_store_that_refuses_makes_the_program_not_ready_and_says_why() -> None:
    """An operator reads the reason, not the source."""
    clock = FakeClock()
    board = HealthBoard(clock)
    board.component("a").idle()
    board.component("b").backing_off("403 from s3://lake")
    _move(clock, 7)
    board.component("b").backing_off("403 from s3://lake")

    (reason,) = board.ready().reasons

    assert (reason.component, reason.state, reason.detail, reason.seconds) == (
        "b",
        HealthState.BACKING_OFF,
        "403 from s3://lake",
        7.0,
    )


def test_work_without_progress_is_a_stall_after_its_limit_and_not_before() -> None:
    """The commit age is this: how long work has been pending since the last commit."""
    clock = FakeClock()
    board = HealthBoard(clock)
    commit = board.component(
        "flights/commit", stalled_after=timedelta(seconds=60), complaint="no commit"
    )
    commit.working()

    _move(clock, 40)
    commit.working()
    before = board.ready().well
    _move(clock, 21)

    assert before
    assert _says(board.ready()) == [("flights/commit", "stalled", "no commit")]
    commit.progress()
    assert board.ready().well


def test_what_has_nothing_to_do_never_stalls() -> None:
    """A follower over a quiet directory is healthy for weeks."""
    clock = FakeClock()
    board = HealthBoard(clock)
    board.component("flights", stalled_after=timedelta(seconds=1)).idle()

    _move(clock, 1_000_000)

    assert board.ready().well


def test_a_loop_that_no_longer_turns_is_not_live() -> None:
    """Only this justifies a kill from outside."""
    clock = FakeClock()
    board = HealthBoard(clock, loop_silent_after=timedelta(seconds=30))
    never_started = board.live().well
    board.beat()
    _move(clock, 31)

    assert never_started
    assert _says(board.live()) == [("event loop", "stalled", "something blocks it")]
    assert not board.ready().well
    board.rest()
    assert board.live().well


def test_a_failed_part_leaves_the_program_live() -> None:
    """Killing the process would not heal the pipeline, and would stop the others."""
    board = HealthBoard(FakeClock())
    board.component("a").failed("bad password")

    assert board.live().well
    assert _says(board.ready()) == [("a", "failed", "bad password")]
    board.forget("a")
    assert board.ready().well
