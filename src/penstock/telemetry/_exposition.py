"""The text that Prometheus and OpenMetrics scrapers read, made from plain numbers."""

from collections.abc import Iterator
from itertools import accumulate

from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from penstock.telemetry._metrics import AnyFamily, Counter, Gauge, Histogram, Metrics, SeriesT


def exposition(metrics: Metrics, accept: str = "") -> tuple[bytes, str]:
    """All metrics as text, and its content type.

    Args:
        metrics: What to export; its scrape hooks run first.
        accept: The scraper's `Accept` header, which chooses between the formats.
    """
    encode, content_type = choose_encoder(accept)
    return encode(_Collector(metrics)), content_type


class _Collector(Collector):
    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        for family in self._metrics.families():
            yield _translate(family)


def _translate(family: AnyFamily) -> Metric:
    names = list(family.label_names)
    if isinstance(family.sample, Counter):
        counters = CounterMetricFamily(family.name, family.help_text, labels=names)
        for values, counter in _series(family, Counter):
            counters.add_metric(values, counter.value)
        return counters
    if isinstance(family.sample, Gauge):
        gauges = GaugeMetricFamily(family.name, family.help_text, labels=names)
        for values, gauge in _series(family, Gauge):
            gauges.add_metric(values, gauge.value)
        return gauges
    histograms = HistogramMetricFamily(family.name, family.help_text, labels=names)
    for values, spread in _series(family, Histogram):
        histograms.add_metric(values, _cumulative(spread), spread.total)
    return histograms


def _series(family: AnyFamily, kind: type[SeriesT]) -> list[tuple[tuple[str, ...], SeriesT]]:
    return [(values, series) for values, series in family.snapshot() if isinstance(series, kind)]


def _cumulative(series: Histogram) -> list[tuple[str, float]]:
    bounds = [*(str(bound) for bound in series.bounds), "+Inf"]
    return list(zip(bounds, (float(n) for n in accumulate(series.counts)), strict=True))
