"""How a line of the log is written: as JSON for programs, as text for people."""

import json
import logging
from datetime import UTC, datetime

from penstock.telemetry._logger import told

_LEVEL_WIDTH = 9
_UNCLEAR = set(" =\"'")
_RESET, _BOLD, _DIM = "\x1b[0m", "\x1b[1m", "\x1b[2m"
_RED, _GREEN, _YELLOW, _BLUE, _MAGENTA, _CYAN = (f"\x1b[{number}m" for number in range(31, 37))
_LEVEL_COLORS = {"debug": _GREEN, "info": _GREEN, "warning": _YELLOW}


class JsonLines(logging.Formatter):
    """One JSON object per line: timestamp, level, logger, event, the fields, exception."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        logger, event, fields = told(record)
        line: dict[str, object] = {
            "timestamp": _timestamp(record),
            "level": record.levelname.lower(),
            "logger": logger,
            "event": event,
            **fields,
        }
        if record.exc_info and record.exc_info[0]:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


class TextLines(logging.Formatter):
    """The same for people, the trace of an error on lines of its own below it."""

    def __init__(self, *, colors: bool) -> None:
        super().__init__()
        self._colors = colors

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        logger, event, fields = told(record)
        level = record.levelname.lower()
        parts = [
            self._in(_DIM, _timestamp(record)),
            f"[{self._in(_LEVEL_COLORS.get(level, _RED), level.ljust(_LEVEL_WIDTH))}]",
            self._in(_BOLD, event),
            f"[{self._in(_BLUE, logger)}]",
            *(
                f"{self._in(_CYAN, key)}={self._in(_MAGENTA, _shown(value))}"
                for key, value in fields.items()
            ),
        ]
        line = " ".join(parts)
        if record.exc_info and record.exc_info[0]:
            line += "\n" + self.formatException(record.exc_info)
        return line

    def _in(self, color: str, text: str) -> str:
        return f"{color}{text}{_RESET}" if self._colors else text


def _timestamp(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


def _shown(value: object) -> str:
    """Words as they are; what has spaces, quotes or control characters in it, with quotes around."""
    text = str(value)
    plain = text.isprintable() and not (isinstance(value, str) and set(text) & _UNCLEAR)
    return text if plain else repr(text)
