"""What the program says of itself: metrics, health, logs, progress.

Owns: the metrics registry and its text form, the health board, the server of `/metrics`, `/livez`
and `/readyz`, structured logs with rate limits, progress on a terminal or in plain lines.
Promises: counting costs an addition; a reader that is slow, gone or never there stops no work.
Does not: keep global state (only `setup_logs` touches the process, and takes it back), or know
what the numbers mean.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from penstock.telemetry._address import AddressError
from penstock.telemetry._health import (
    HealthBoard,
    HealthComponent,
    HealthReason,
    HealthReport,
    HealthState,
)
from penstock.telemetry._logger import Logger, get_logger
from penstock.telemetry._logs import LEVELS, setup_logs
from penstock.telemetry._metrics import (
    SECONDS_BUCKETS,
    Counter,
    Family,
    Gauge,
    Histogram,
    MetricError,
    Metrics,
)
from penstock.telemetry._progress import Progress, ProgressSource
from penstock.telemetry._progress_row import ProgressRow, plain_line
from penstock.telemetry._rate import RateLimit
from penstock.telemetry._server import TelemetryServer
from penstock.telemetry._utilization import Utilization

if TYPE_CHECKING:
    from penstock.telemetry._exposition import exposition

__all__ = [
    "LEVELS",
    "SECONDS_BUCKETS",
    "AddressError",
    "Counter",
    "Family",
    "Gauge",
    "HealthBoard",
    "HealthComponent",
    "HealthReason",
    "HealthReport",
    "HealthState",
    "Histogram",
    "Logger",
    "MetricError",
    "Metrics",
    "Progress",
    "ProgressRow",
    "ProgressSource",
    "RateLimit",
    "TelemetryServer",
    "Utilization",
    "exposition",
    "get_logger",
    "plain_line",
    "setup_logs",
]


def __getattr__(name: str) -> object:
    """Load the text form of the metrics, with its library, when it is asked for."""
    if name != "exposition":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module("penstock.telemetry._exposition").exposition
