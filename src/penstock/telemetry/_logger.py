"""A logger whose lines have fields, on top of the standard library's."""

import logging
from typing import Any

_ROOT = "penstock"
_FIELDS = "penstock_fields"
_CALLER = 3
"""Whose place in the code a line has: the caller of a method that calls `_say`."""


class Logger:
    """Says what happened: `log.info("commit landed", table=..., rows=...)`.

    The sentence is constant and the fields are keywords, of which `exc_info` is an error whose
    trace is wanted. Safe in all threads.
    """

    def __init__(self, logger: logging.Logger, bound: dict[str, object]) -> None:
        self._logger = logger
        self._bound = bound

    def bind(self, **fields: object) -> "Logger":
        """A copy whose lines have these fields too: `log.bind(pipeline=...)`."""
        return Logger(self._logger, {**self._bound, **fields})

    def debug(self, event: str, /, **fields: object) -> None:
        """What only its authors want to know."""
        self._say(logging.DEBUG, event, fields)

    def info(self, event: str, /, **fields: object) -> None:
        """News of work that goes as it should."""
        self._say(logging.INFO, event, fields)

    def warning(self, event: str, /, **fields: object) -> None:
        """Something is not as it should be, and the work goes on."""
        self._say(logging.WARNING, event, fields)

    def error(self, event: str, /, **fields: object) -> None:
        """Work has failed."""
        self._say(logging.ERROR, event, fields)

    def exception(self, event: str, /, **fields: object) -> None:
        """Work has failed with the error that is being handled; its trace is shown."""
        self._say(logging.ERROR, event, {"exc_info": True, **fields})

    def _say(self, level: int, event: str, fields: dict[str, object]) -> None:
        if not self._logger.isEnabledFor(level):
            return
        fields = {**self._bound, **fields}
        exc_info: Any = fields.pop("exc_info", None)
        # Words for others' handlers, fields for ours. A percent sign needs no escape: without
        # arguments the standard library does not format.
        words = "".join([event, *(f" {key}={value!r}" for key, value in fields.items())])
        extra = {_FIELDS: (event, fields)}
        self._logger.log(level, words, exc_info=exc_info, extra=extra, stacklevel=_CALLER)


def get_logger(name: str) -> Logger:
    """A logger that writes to the standard library's logger `penstock.<name>`.

    In a program that has called `setup_logs` its lines are structured; in any other they follow
    what that program has set up for `logging`.
    """
    return Logger(logging.getLogger(f"{_ROOT}.{name}"), {})


def ours() -> logging.Logger:
    """What is above all of our loggers."""
    return logging.getLogger(_ROOT)


def make_record(event: str, fields: dict[str, object], path: str, line: int) -> logging.LogRecord:
    """A warning of the logs themselves."""
    record = logging.LogRecord(f"{_ROOT}.logs", logging.WARNING, path, line, event, None, None)
    setattr(record, _FIELDS, (event, fields))
    return record


def told(record: logging.LogRecord) -> tuple[str, str, dict[str, object]]:
    """The short name of its logger, the event and the fields; other libraries' records have no fields."""
    event, fields = getattr(record, _FIELDS, (None, {}))
    name = record.name.removeprefix(f"{_ROOT}.")
    return name, record.getMessage() if event is None else event, fields
