"""What every room stands on: errors, time, configuration, retries, failpoints.

Owns: the root error, `Clock`, `Config` and its problems, YAML with line numbers, interpolation,
`RetryPolicy`, values, durable records, durations and sizes, `Failpoints`.
Promises: nothing here does I/O on import, keeps global state, or knows another room.
"""

from penstock.base._clock import Clock, SystemClock
from penstock.base._config import Config, Duration, Size, TextOptions, problems_of, suggest
from penstock.base._document import Document, parse_yaml, read_yaml
from penstock.base._errors import ConfigError, MissingExtraError, PenstockError, Problem
from penstock.base._failpoints import FailpointError, Failpoints
from penstock.base._interpolation import Interpolator
from penstock.base._record import Record, RecordError
from penstock.base._retry import RetryPolicy
from penstock.base._units import format_size, parse_duration, parse_size
from penstock.base._value import Value

__all__ = [
    "Clock",
    "Config",
    "ConfigError",
    "Document",
    "Duration",
    "FailpointError",
    "Failpoints",
    "Interpolator",
    "MissingExtraError",
    "PenstockError",
    "Problem",
    "Record",
    "RecordError",
    "RetryPolicy",
    "Size",
    "SystemClock",
    "TextOptions",
    "Value",
    "format_size",
    "parse_duration",
    "parse_size",
    "parse_yaml",
    "problems_of",
    "read_yaml",
    "suggest",
]
