"""What a run says of itself while it goes on."""

import asyncio
import io
import sys

import pytest

from penstock import Flow
from penstock.flow import FlowStatistics
from penstock.testing import FakeClock


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


async def watched(clock: FakeClock, seconds: int, progress: object = True) -> None:
    """Two messages in, one of them for ever in the hands of its stage."""

    async def stuck(number: int) -> int:
        if number:
            await asyncio.Event().wait()
        return number

    flow = Flow("watched", clock=clock) | range(2) | stuck | [].append
    async with flow.start(progress=progress) as running:  # type: ignore[arg-type]
        await clock.advance(seconds)
        await running.cancel()


def test_where_nobody_watches_each_second_is_a_plain_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A log must not hold cursor movements; the last line is the state at the end."""
    log = io.StringIO()
    monkeypatch.setattr(sys, "stderr", log)

    asyncio.run(watched(FakeClock(), 2))

    lines = log.getvalue().splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("watched: 2 in, 1 out (1/s), 0 dead, 1 in flight | stuck 1 (0 wait")
    assert "\x1b" not in log.getvalue()


def test_on_a_terminal_the_table_is_drawn_over_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many rows back as were drawn before, so that the screen does not scroll."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", "60")

    asyncio.run(watched(FakeClock(), 1))

    first, second = terminal.getvalue().split("\x1b[4A\x1b[J")
    for drawn in (first, second):
        lines = drawn.splitlines()
        assert [line.split()[0] for line in lines] == ["flow", "stage", "stuck", "append"]
        assert max(map(len, lines)) <= 59


def test_a_function_is_given_the_statistics() -> None:
    """For whoever draws their own view."""
    seen: list[FlowStatistics] = []

    asyncio.run(watched(FakeClock(), 2, seen.append))

    assert [(one.pulled, one.in_flight) for one in seen] == [(2, 1)] * 3


def test_a_run_is_silent_unless_asked(capfd: pytest.CaptureFixture[str]) -> None:
    """A library does not write on its own."""
    (Flow("quiet") | range(3) | (lambda _: None)).run()

    assert capfd.readouterr() == ("", "")
