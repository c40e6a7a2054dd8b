"""Progress is shown to whoever watches, and never in the way."""

import asyncio
import io
from contextlib import suppress

from penstock.telemetry import Progress, ProgressRow, plain_line
from penstock.testing import FakeClock


async def _show(progress: Progress, clock: FakeClock, seconds: float) -> None:
    task = asyncio.create_task(progress.run())
    await clock.advance(seconds)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def test_without_a_terminal_there_is_a_line_every_ten_seconds_and_one_at_the_end() -> None:
    """Log collectors keep lines; a redrawn screen is noise to them."""
    out, clock, done = io.StringIO(), FakeClock(), iter(range(0, 10_000, 500))
    source = lambda: [ProgressRow("parse", next(done), total=2_000)]  # noqa: E731

    asyncio.run(_show(Progress(source, clock=clock, stream=out), clock, 25))

    assert out.getvalue().splitlines() == [
        "parse: 0 of 2,000 (0 %), 0/s",
        "parse: 500 of 2,000 (25 %), 50/s, 30 s to go",
        "parse: 1,000 of 2,000 (50 %), 100/s, 10 s to go",
    ]


def test_on_a_terminal_the_rows_are_drawn_in_place() -> None:
    """People look at one screen, not at a scroll."""
    out, clock = io.StringIO(), FakeClock()
    source = lambda: [ProgressRow("parse", 7, queue_depth=3, queue_capacity=8, note="slow")]  # noqa: E731

    asyncio.run(_show(Progress(source, clock=clock, stream=out, live=True), clock, 1))

    assert "3/8" in out.getvalue()
    assert "\x1b[" in out.getvalue()


def test_a_closed_stream_ends_nothing_but_the_show() -> None:
    """The terminal was closed over night; the work goes on."""
    for live in (True, False):
        out, clock, looks = io.StringIO(), FakeClock(), []
        out.close()
        source = lambda looks=looks: looks.append(1) or [ProgressRow("a", 1)]  # noqa: E731

        asyncio.run(_show(Progress(source, clock=clock, stream=out, live=live), clock, 30))

        assert len(looks) >= 3


def test_a_row_says_only_what_is_known() -> None:
    """An invented total is worse than none."""
    assert plain_line(ProgressRow("a", 5)) == "a: 5"
    assert plain_line(ProgressRow("a", 5, rate=0.0, note="waits")) == "a: 5, 0/s, waits"


def test_a_row_that_says_nothing_new_is_not_repeated_as_a_line() -> None:
    """A pipeline that follows a quiet folder for a night fills no disk with its standing still."""
    out, clock = io.StringIO(), FakeClock()
    source = lambda: [ProgressRow("parse", 500)]  # noqa: E731

    asyncio.run(_show(Progress(source, clock=clock, stream=out), clock, 95))

    assert out.getvalue() == "parse: 500, 50/s\n"


def test_rows_go_to_a_log_where_there_is_one() -> None:
    """Plain text between JSON lines would break whoever parses them."""
    out, clock, logged = io.StringIO(), FakeClock(), []
    view = Progress(lambda: [ProgressRow("parse", 1)], clock=clock, stream=out, write=logged.append)

    asyncio.run(_show(view, clock, 15))

    assert [row.name for row in logged] == ["parse"]
    assert out.getvalue() == ""


def test_the_rate_is_that_of_the_last_ten_seconds() -> None:
    """Rows are settled a plan at a time: from one quarter second to the next it would be 0, or absurd."""
    out, clock = io.StringIO(), FakeClock()
    source = lambda: [ProgressRow("rows", 1000 * int(clock.monotonic() // 5))]  # noqa: E731

    asyncio.run(_show(Progress(source, clock=clock, stream=out, live=True), clock, 30))

    assert "200/s" in out.getvalue().rpartition("\x1b[2K")[2]
