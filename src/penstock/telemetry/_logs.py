"""Structured logs: readable on a terminal, JSON lines elsewhere, never a flood."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO, cast

from penstock.base import Clock, SystemClock
from penstock.telemetry._log_lines import JsonLines, TextLines
from penstock.telemetry._logger import make_record, ours, told
from penstock.telemetry._rate import RateLimit, Suppressed

LEVELS = ("debug", "info", "warning", "error")
"""The levels that can be chosen, from most to least said."""


@contextmanager
def setup_logs(
    *,
    level: str = "info",
    stream: TextIO | None = None,
    json: bool | None = None,
    limit: RateLimit | None = None,
    clock: Clock | None = None,
) -> Iterator[None]:
    """Write the logs of this program while the block lasts: ours from `level`, others' from warning.

    Args:
        level: One of `LEVELS`.
        stream: Standard error by default. When it is closed or broken, lines are lost in silence.
        json: JSON lines, or text for people; by default text where the stream is a terminal.
        limit: Lines per call site and period; by default 20 in 10 s.
        clock: For the default limit.
    """
    terminal = _is_terminal(stream or sys.stderr)
    rate = limit or RateLimit(clock or SystemClock())
    handler = _Handler(stream, rate)
    as_json = not terminal if json is None else json
    handler.setFormatter(JsonLines() if as_json else TextLines(colors=terminal))
    root, own = logging.getLogger(), ours()
    before = root.level, own.level
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    own.setLevel(level.upper())
    try:
        yield
    finally:
        handler.close()
        root.removeHandler(handler)
        root.setLevel(before[0])
        own.setLevel(before[1])


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except ValueError:  # closed
        return False


class _Handler(logging.Handler):
    def __init__(self, stream: TextIO | None, limit: RateLimit) -> None:
        super().__init__()
        self._stream = stream
        self._limit = limit

    def emit(self, record: logging.LogRecord) -> None:
        self._summarize(self._limit.expired())
        if self._limit.admits(_site(record), _kind(record)):
            self._write(record)

    def close(self) -> None:
        self.acquire()
        try:
            self._summarize(self._limit.expired(at_end=True))
        finally:
            self.release()
        super().close()

    def _summarize(self, summaries: list[Suppressed]) -> None:
        for summary in summaries:
            path, line = cast("tuple[str, int]", summary.site)
            fields = {"count": summary.count, "seconds": summary.period.total_seconds()}
            place = f"{path.rpartition('/')[2]}:{line}"
            record = make_record("lines suppressed", {**fields, "place": place}, path, line)
            self._write(record)

    def _write(self, record: logging.LogRecord) -> None:
        try:
            # Looked up for each line: a live view puts itself there, to keep lines out of its picture.
            stream = self._stream or sys.stderr
            stream.write(self.format(record) + "\n")
            stream.flush()
        except (OSError, ValueError):
            # Nobody reads any more: that must not stop the work that is being reported on.
            return


def _site(record: logging.LogRecord) -> tuple[str, int]:
    return record.pathname, record.lineno


def _kind(record: logging.LogRecord) -> str:
    _, _, fields = told(record)
    error = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else ""
    return f"{record.levelno} {fields.get('error_class', '')} {error}"
