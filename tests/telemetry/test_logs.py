"""Logs are structured, bounded, and never in the way."""

import io
import json
import logging
from pathlib import Path

import pytest

from penstock.telemetry import RateLimit, get_logger, setup_logs
from penstock.testing import FakeClock


def _lines(out: io.StringIO) -> list[dict]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_where_nobody_watches_lines_are_json_with_their_fields() -> None:
    """Machines read them."""
    out, log = io.StringIO(), get_logger("test").bind(pipeline="flights")

    with setup_logs(stream=out):
        log.info("commit landed", rows=3, name="main", args="100%s")

    (line,) = _lines(out)
    assert line.pop("timestamp").endswith("+00:00")
    assert line == {
        "level": "info",
        "logger": "test",
        "event": "commit landed",
        "pipeline": "flights",
        "rows": 3,
        "name": "main",
        "args": "100%s",
    }


def test_on_a_terminal_lines_are_text_for_people() -> None:
    """Nobody wants to read JSON while something burns."""
    out = io.StringIO()
    out.isatty = lambda: True

    with setup_logs(stream=out):
        get_logger("test").warning("store refuses", status=403)

    assert "store refuses" in out.getvalue()
    assert "{" not in out.getvalue()


def test_a_value_cannot_pass_for_something_else_nor_steer_the_terminal() -> None:
    """A name of a file may hold anything."""
    out = io.StringIO()

    with setup_logs(stream=out, json=False):
        get_logger("test").warning(
            "skipped", name="a b", path=Path("a\x1b[2J"), reason="gone", error=OSError("x y")
        )

    line = out.getvalue().rstrip()
    assert line.endswith(r"skipped [test] name='a b' path='a\x1b[2J' reason=gone error=x y")


def test_colors_are_for_terminals() -> None:
    """A file of escape sequences is read by nobody."""
    texts = []
    for terminal in (True, False):
        out = io.StringIO()
        out.isatty = lambda answer=terminal: answer
        with setup_logs(stream=out, json=False):
            get_logger("test").error("failed")
        texts.append(out.getvalue())

    assert "\x1b[31m" in texts[0]
    assert "\x1b" not in texts[1]


def test_a_line_knows_where_in_the_code_it_was_said(caplog: pytest.LogCaptureFixture) -> None:
    """By its place a flood is recognized, and so it is found in the code."""
    get_logger("test").warning("here")
    get_logger("test").bind(rows=1).error("there")
    get_logger("test").exception("nowhere")

    assert {record.pathname for record in caplog.records} == {__file__}
    assert {record.funcName for record in caplog.records} == {
        "test_a_line_knows_where_in_the_code_it_was_said"
    }


def test_a_trace_stands_below_the_line_of_text() -> None:
    out, error = io.StringIO(), ValueError("broken")

    with setup_logs(stream=out, json=False):
        get_logger("test").error("pipeline failed", exc_info=error)

    first, *trace = out.getvalue().splitlines()
    assert first.endswith("pipeline failed [test]")
    assert trace == ["ValueError: broken"]


def test_an_exception_comes_with_its_trace() -> None:
    """The name of the class alone does not find the line."""
    out = io.StringIO()

    with setup_logs(stream=out):
        try:
            1 / 0  # noqa: B018
        except ZeroDivisionError:
            get_logger("test").exception("pipeline failed")

    assert "Traceback" in _lines(out)[0]["exception"]
    assert "ZeroDivisionError" in _lines(out)[0]["exception"]


def test_lines_below_the_level_are_not_written() -> None:
    """The level is what the user chose."""
    out, log = io.StringIO(), get_logger("test")

    with setup_logs(stream=out, level="warning"):
        log.info("quiet")
        log.warning("loud")

    assert [line["event"] for line in _lines(out)] == ["loud"]


def test_other_libraries_are_heard_from_warning_on() -> None:
    """Their warnings matter, their chatter does not."""
    out, other = io.StringIO(), logging.getLogger("other.library")

    with setup_logs(stream=out):
        other.info("chatter")
        other.warning("careful: %s", "x")

    assert [(line["logger"], line["event"]) for line in _lines(out)] == [
        ("other.library", "careful: x")
    ]


def test_afterwards_logging_is_as_it_was() -> None:
    """A notebook calls us in between its own work."""
    root = logging.getLogger()
    before = (list(root.handlers), root.level, logging.getLogger("penstock").level)

    with setup_logs(stream=io.StringIO(), level="debug"):
        assert logging.getLogger("penstock").level == logging.DEBUG

    assert (list(root.handlers), root.level, logging.getLogger("penstock").level) == before


def test_without_setup_lines_reach_the_program_s_own_logging(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """We are a guest in a user's program."""
    get_logger("test").warning("careful", path="a b")

    assert caplog.messages == ["careful path='a b'"]


def test_a_flood_from_one_place_is_cut_and_counted() -> None:
    """A million bad lines are one fact."""
    out, clock, log = io.StringIO(), FakeClock(), get_logger("test")

    with setup_logs(stream=out, limit=RateLimit(clock, count=3)):
        for _ in range(50):
            log.warning("line rejected")
        log.warning("another place")

    events = [(line["event"], line.get("count")) for line in _lines(out)]
    assert events == [
        *[("line rejected", None)] * 3,
        ("another place", None),
        ("lines suppressed", 47),
    ]


def test_the_first_of_each_kind_is_kept_in_a_flood() -> None:
    """The one error that differs is the one that explains the others."""
    out, clock, log = io.StringIO(), FakeClock(), get_logger("test")

    with setup_logs(stream=out, limit=RateLimit(clock, count=1)):
        for kind in ("syntax", "syntax", "syntax", "overflow", "overflow"):
            log.warning("line rejected", error_class=kind)

    assert [line.get("error_class") for line in _lines(out)[:2]] == ["syntax", "overflow"]
    assert _lines(out)[2]["count"] == 3


@pytest.mark.parametrize("closed", [True, False])
def test_a_closed_or_broken_stream_stops_no_work(closed: bool) -> None:
    """Somebody piped us into `head`."""

    class Broken(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    out = Broken()
    if closed:
        out.close()

    with setup_logs(stream=out, json=True):
        get_logger("test").warning("nobody reads this")
