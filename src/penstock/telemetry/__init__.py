"""What the program says of itself: metrics, health, logs, progress.

Owns: the metrics registry and its text form, the health board, the server of `/metrics`, `/livez`
and `/readyz`, structured logs with rate limits, progress on a terminal or in plain lines.
Promises: counting costs an addition; a reader that is slow, gone or never there stops no work.
Does not: keep global state (only `setup_logs` touches the process, and takes it back), or know
what the numbers mean.
"""

from penstock.telemetry._exposition import exposition
from penstock.telemetry._health import (
    HealthBoard,
    HealthComponent,
    HealthReason,
    HealthReport,
    HealthState,
)
from penstock.telemetry._logs import LEVELS, Logger, get_logger, setup_logs
from penstock.telemetry._metrics import (
    SECONDS_BUCKETS,
    Counter,
    Family,
    Gauge,
    Histogram,
    MetricError,
    Metrics,
)
from penstock.telemetry._progress import Progress, ProgressRow, ProgressSource, plain_line
from penstock.telemetry._rate import RateLimit
from penstock.telemetry._server import AddressError, TelemetryServer
from penstock.telemetry._utilization import Utilization

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
