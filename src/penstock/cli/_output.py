"""The words that options of many commands take."""

from enum import StrEnum


class Output(StrEnum):
    """How a command prints what it found."""

    TABLE = "table"
    JSON = "json"


class LogLevel(StrEnum):
    """What is worth a line in the log."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """How a line of the log is written."""

    TEXT = "text"
    JSON = "json"
