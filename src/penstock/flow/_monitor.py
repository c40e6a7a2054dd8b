"""What a flow says of itself as metrics: plain numbers, put into words when somebody asks for them."""

from collections.abc import Callable
from typing import Literal

from penstock.base import SystemClock
from penstock.flow._statistics import FlowStatistics, StageStatistics
from penstock.telemetry import HealthBoard, Metrics, TelemetryServer

_STAGE = ("flow", "stage")
_ANY_PORT = "127.0.0.1:0"


class Monitor:
    """Exports one running flow into a registry, or on an address of its own."""

    def __init__(self, metrics: Metrics | str | Literal[True]) -> None:
        """Say where to.

        Args:
            metrics: A registry that somebody serves, or `host:port` to serve on while the flow runs;
                True serves on a free port of this machine.
        """
        address = _ANY_PORT if metrics is True else metrics
        self._address = address if isinstance(address, str) else None
        self._metrics = Metrics() if isinstance(address, str) else address
        self._server = TelemetryServer(self._metrics, HealthBoard(SystemClock()))
        self._detach: Callable[[], None] = lambda: None
        self._update: Callable[[], None] = lambda: None

    def start(self, take: Callable[[], FlowStatistics]) -> None:
        """Export what `take` returns, whenever somebody asks.

        Raises:
            AddressError: The address cannot be listened on.
        """
        if self._address is not None:
            self._server.start(self._address)
        self._update = lambda: _export(self._metrics, take())
        self._detach = self._metrics.on_scrape(self._update)

    def stop(self) -> None:
        """Serve no more; in a registry the last figures stay."""
        self._update()
        self._detach()
        self._server.stop()


def _export(metrics: Metrics, taken: FlowStatistics) -> None:
    _export_flow(metrics, taken)
    places = metrics.gauge("penstock_flow_stage_place", "Place of a stage in its flow.", _STAGE)
    for place, stage in enumerate(taken.stages.values(), start=1):
        places.labels(flow=taken.flow, stage=stage.name).set(place)
        labels = {"flow": taken.flow, "stage": stage.name}
        _export_outcomes(metrics, stage, labels)
        _export_times(metrics, stage, labels, taken.elapsed)
        _export_channel(metrics, stage, labels)


def _export_flow(metrics: Metrics, taken: FlowStatistics) -> None:
    figures = metrics.gauge(
        "penstock_flow_messages",
        "Messages by state: pulled, extra, delivered, filtered, dead, in_flight.",
        ("flow", "state"),
    )
    for state in ("pulled", "extra", "delivered", "filtered", "dead", "in_flight"):
        figures.labels(flow=taken.flow, state=state).set(getattr(taken, state))
    elapsed = metrics.gauge(
        "penstock_flow_elapsed_seconds", "Time since the flow was started.", ("flow",)
    )
    elapsed.labels(flow=taken.flow).set(taken.elapsed)


def _export_outcomes(metrics: Metrics, stage: StageStatistics, labels: dict[str, str]) -> None:
    items = metrics.counter(
        "penstock_flow_stage_items_total",
        "Messages that a stage has emitted, filtered, or recorded as dead.",
        ("flow", "stage", "outcome"),
    )
    for outcome in ("emitted", "filtered", "dead"):
        items.labels(**labels, outcome=outcome).value = getattr(stage, outcome)
    failures = metrics.counter(
        "penstock_flow_failures_total", "Attempts that failed, of messages and of batches.", _STAGE
    )
    failures.labels(**labels).value = stage.failures
    retries = metrics.counter("penstock_flow_retries_total", "Attempts made again.", _STAGE)
    retries.labels(**labels).value = stage.retries
    restarts = metrics.counter(
        "penstock_flow_worker_restarts_total",
        "Workers that died or hung, and were replaced.",
        _STAGE,
    )
    restarts.labels(**labels).value = stage.replaced


def _export_times(
    metrics: Metrics, stage: StageStatistics, labels: dict[str, str], elapsed: float
) -> None:
    workers = metrics.gauge(
        "penstock_flow_stage_workers", "Workers of a stage.", ("flow", "stage", "pool")
    )
    workers.labels(**labels, pool=stage.pool).set(stage.workers)
    hung = metrics.gauge(
        "penstock_flow_stage_hung_threads",
        "Threads left behind in a call that has not returned.",
        _STAGE,
    )
    hung.labels(**labels).set(stage.hung)
    busy = metrics.counter(
        "penstock_flow_stage_busy_seconds_total", "Time of all workers in the function.", _STAGE
    )
    busy.labels(**labels).value = stage.utilization * elapsed * stage.workers
    share = metrics.gauge(
        "penstock_flow_stage_utilization_ratio",
        "Share of the workers' time in the function.",
        _STAGE,
    )
    share.labels(**labels).set(stage.utilization)
    blocked = metrics.gauge(
        "penstock_flow_stage_blocked_ratio",
        "Share of the workers' time waiting for room below.",
        _STAGE,
    )
    blocked.labels(**labels).set(stage.blocked)
    limited = metrics.gauge(
        "penstock_flow_stage_limited_ratio",
        "Share of the workers' time waiting for a rate limit.",
        _STAGE,
    )
    limited.labels(**labels).set(stage.limited)
    quantiles = (*_STAGE, "quantile")
    duration = metrics.gauge(
        "penstock_flow_stage_duration_seconds", "Time of one message in the function.", quantiles
    )
    duration.labels(**labels, quantile="0.5").set(stage.run_p50)
    duration.labels(**labels, quantile="0.99").set(stage.run_p99)
    wait = metrics.gauge(
        "penstock_flow_stage_wait_seconds", "Time of one message before the stage.", quantiles
    )
    wait.labels(**labels, quantile="0.5").set(stage.wait_p50)
    wait.labels(**labels, quantile="0.99").set(stage.wait_p99)


def _export_channel(metrics: Metrics, stage: StageStatistics, labels: dict[str, str]) -> None:
    items = metrics.gauge("penstock_flow_channel_items", "Messages waiting before a stage.", _STAGE)
    items.labels(**labels).set(stage.queue_items)
    size = metrics.gauge("penstock_flow_channel_bytes", "Bytes waiting before a stage.", _STAGE)
    size.labels(**labels).set(stage.queue_bytes)
    most = metrics.gauge(
        "penstock_flow_channel_capacity_items", "Most messages that may wait.", _STAGE
    )
    most.labels(**labels).set(stage.capacity)
    most_bytes = metrics.gauge(
        "penstock_flow_channel_capacity_bytes", "Most bytes that may wait.", _STAGE
    )
    most_bytes.labels(**labels).set(stage.capacity_bytes)
    age = metrics.gauge(
        "penstock_flow_oldest_item_age_seconds", "Age of the oldest waiting message.", _STAGE
    )
    age.labels(**labels).set(stage.oldest_age)
