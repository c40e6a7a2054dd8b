"""Structured logs: readable on a terminal, JSON lines elsewhere, never a flood."""

import logging
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TextIO, cast

import structlog
from structlog.typing import Processor

from penstock.base import Clock, SystemClock
from penstock.telemetry._rate import RateLimit, Suppressed

Logger = structlog.stdlib.BoundLogger
"""`log.info("commit landed", table=..., rows=...)`; `log.bind(pipeline=...)` returns a copy."""

LEVELS = ("debug", "info", "warning", "error")
"""The levels that can be chosen, from most to least said."""

_ROOT = "penstock"
_FIELDS = "penstock_fields"


def get_logger(name: str) -> Logger:
    """A logger that writes to the standard library's logger `penstock.<name>`.

    In a program that has called `setup_logs` its lines are structured; in any other they follow
    what that program has set up for `logging`. Fields are keywords; the first argument is constant.
    """
    logger = structlog.wrap_logger(
        logging.getLogger(f"{_ROOT}.{name}"),
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.processors.CallsiteParameterAdder(
                [
                    structlog.processors.CallsiteParameter.PATHNAME,
                    structlog.processors.CallsiteParameter.LINENO,
                ]
            ),
            _hand_over,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    return cast("Logger", logger)


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
    handler.setFormatter(
        _Formatter(as_json=not terminal if json is None else json, colors=terminal)
    )
    root, ours = logging.getLogger(), logging.getLogger(_ROOT)
    before = root.level, ours.level
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    ours.setLevel(level.upper())
    try:
        yield
    finally:
        handler.close()
        root.removeHandler(handler)
        root.setLevel(before[0])
        ours.setLevel(before[1])


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except ValueError:  # closed
        return False


def _hand_over(
    _logger: Any, _method: str, fields: MutableMapping[str, Any]
) -> tuple[tuple[str], dict[str, Any]]:
    """The call that reaches the standard library: plain text for others, the fields for us."""
    exc_info = fields.pop("exc_info", None)
    site = fields.pop("pathname"), fields.pop("lineno")
    event = str(fields.pop("event"))
    words = "".join(f" {key}={value!r}" for key, value in fields.items())
    # A percent sign needs no escape: without arguments the standard library does not format.
    extra = {_FIELDS: (event, dict(fields), site)}
    return (f"{event}{words}",), {"extra": extra, "exc_info": exc_info}


class _Formatter(logging.Formatter):
    def __init__(self, *, as_json: bool, colors: bool) -> None:
        super().__init__()
        self._processors: list[Processor] = (
            [
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(default=str, ensure_ascii=False),
            ]
            if as_json
            else [
                structlog.dev.ConsoleRenderer(
                    colors=colors,
                    exception_formatter=structlog.dev.plain_traceback,
                    pad_event_to=0,
                    sort_keys=False,
                )
            ]
        )

    def format(self, record: logging.LogRecord) -> str:
        event, fields, _ = getattr(record, _FIELDS, (None, {}, None))
        line: Any = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(
                timespec="milliseconds"
            ),
            "level": record.levelname.lower(),
            "logger": record.name.removeprefix(f"{_ROOT}."),
            "event": record.getMessage() if event is None else event,
            **fields,
        }
        if record.exc_info and record.exc_info[0]:
            line["exc_info"] = record.exc_info
        for processor in self._processors:
            line = processor(None, record.levelname.lower(), line)
        return str(line)


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
            record = logging.LogRecord(
                f"{_ROOT}.logs", logging.WARNING, path, line, "lines suppressed", None, None
            )
            place = f"{path.rpartition('/')[2]}:{line}"
            setattr(record, _FIELDS, ("lines suppressed", {**fields, "place": place}, None))
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
    _, _, site = getattr(record, _FIELDS, (None, None, None))
    return cast("tuple[str, int]", site) if site else (record.pathname, record.lineno)


def _kind(record: logging.LogRecord) -> str:
    fields: dict[str, Any] = getattr(record, _FIELDS, (None, {}, None))[1]
    error = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else ""
    return f"{record.levelno} {fields.get('error_class', '')} {error}"
