"""Metrics as plain numbers that are only put into words when somebody asks."""

import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Generic, TypeVar

from msgspec import Struct, field

from penstock.base import PenstockError

SECONDS_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds of a histogram of durations, in seconds."""

OVERFLOW = "other"
"""The label value under which series beyond the limit of their family are added up."""

_NAME = re.compile(r"penstock_[a-z0-9_]*[a-z0-9]")
_LABEL = re.compile(r"[a-z][a-z0-9_]*")


class MetricError(PenstockError):
    """A metric was declared against the conventions, or used with other labels than declared."""


class Counter(Struct):
    """A number that only grows. One thread writes a series; any may read it."""

    value: float = 0

    def add(self, amount: float = 1) -> None:
        """Count `amount` more, at least 0."""
        self.value += amount


class Gauge(Struct):
    """A number that goes up and down. One thread writes a series; any may read it."""

    value: float = 0

    def set(self, value: float) -> None:
        """Say what it is now."""
        self.value = value

    def add(self, amount: float) -> None:
        """Move it by `amount`, which may be negative."""
        self.value += amount


class Histogram(Struct):
    """How measurements are spread over `bounds`. One thread writes a series; any may read it."""

    bounds: tuple[float, ...] = SECONDS_BUCKETS
    counts: list[int] = field(default_factory=list)
    """Measurements per bucket, not cumulative; the last one is for those above all bounds."""

    total: float = 0
    """Sum of all measurements."""

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def observe(self, value: float) -> None:
        """Add one measurement, in the base unit: seconds or bytes."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


SeriesT = TypeVar("SeriesT", Counter, Gauge, Histogram)


class Family(Generic[SeriesT]):
    """All series of one metric name.

    A family holds at most `max_series` series. Label values beyond that share one series whose
    values are all `other`: totals stay right and memory stays bounded.
    """

    def __init__(
        self,
        name: str,
        help_text: str,
        labels: tuple[str, ...],
        make: Callable[[], SeriesT],
        max_series: int,
    ) -> None:
        self.name = name
        self.help_text = help_text
        self.label_names = labels
        self._make: Callable[[], SeriesT] = make
        self.sample: SeriesT = make()
        self._max_series = max_series
        self._series: dict[tuple[str, ...], SeriesT] = {}
        self._lock = Lock()

    def labels(self, **values: str) -> SeriesT:
        """The series with these label values, made on first use. Keep it where the path is hot.

        Raises:
            MetricError: The names are not exactly those declared.
        """
        if set(values) != set(self.label_names):
            raise MetricError(
                f"{self.name} has the labels {', '.join(self.label_names) or '(none)'}, "
                f"got {', '.join(sorted(values)) or '(none)'}"
            )
        key = tuple(values[name] for name in self.label_names)
        with self._lock:
            if key not in self._series and len(self._series) >= self._max_series:
                key = (OVERFLOW,) * len(self.label_names)
            if key not in self._series:
                self._series[key] = self._make()
            return self._series[key]

    def remove(self, **values: str) -> None:
        """Forget every series that has all of these label values, for what will not come back."""
        wanted = [(self.label_names.index(name), value) for name, value in values.items()]
        with self._lock:
            for key in [k for k in self._series if all(k[i] == v for i, v in wanted)]:
                del self._series[key]

    def snapshot(self) -> list[tuple[tuple[str, ...], SeriesT]]:
        """Label values, in the order of their names, with their series; sorted."""
        with self._lock:
            return sorted(self._series.items(), key=lambda item: item[0])


AnyFamily = Family[Counter] | Family[Gauge] | Family[Histogram]


class Metrics:
    """The metrics of one program, or of one test: an object, never a global.

    Names start with `penstock_` and use base units (`_seconds`, `_bytes`); counters end in
    `_total`. Declaring the same metric again returns the same family.

    >>> metrics = Metrics()
    >>> items = metrics.counter("penstock_demo_items_total", "Items seen.", ("stage",))
    >>> items.labels(stage="parse").add(3)
    >>> items.labels(stage="parse").value
    3
    """

    def __init__(self, *, max_series: int = 1000) -> None:
        """Start empty.

        Args:
            max_series: Series that one metric may have; more are added up under `other`.
        """
        self._max_series = max_series
        self._families: dict[str, AnyFamily] = {}
        self._hooks: list[Callable[[], None]] = []
        self._lock = Lock()

    def counter(self, name: str, help_text: str, labels: Sequence[str] = ()) -> Family[Counter]:
        """Declare a counter.

        Raises:
            MetricError: The name breaks the conventions, or is taken by another kind of metric.
        """
        if not name.endswith("_total"):
            raise MetricError(f"expected a counter's name to end in _total, got {name!r}")
        return self._declare(name, help_text, tuple(labels), Counter)

    def gauge(self, name: str, help_text: str, labels: Sequence[str] = ()) -> Family[Gauge]:
        """Declare a gauge.

        Raises:
            MetricError: As for `counter`.
        """
        return self._declare(name, help_text, tuple(labels), Gauge)

    def histogram(
        self,
        name: str,
        help_text: str,
        labels: Sequence[str] = (),
        *,
        bounds: Sequence[float] = SECONDS_BUCKETS,
    ) -> Family[Histogram]:
        """Declare a histogram with the upper `bounds` of its buckets, ascending.

        Raises:
            MetricError: As for `counter`.
        """
        limits = tuple(bounds)
        return self._declare(name, help_text, tuple(labels), lambda: Histogram(limits))

    def on_scrape(self, update: Callable[[], None]) -> Callable[[], None]:
        """Call `update` before every export, in the thread that exports; returns what ends that.

        It is for numbers that live elsewhere as plain attributes and are copied only when asked for.
        """
        with self._lock:
            self._hooks.append(update)

        def detach() -> None:
            with self._lock:
                if update in self._hooks:
                    self._hooks.remove(update)

        return detach

    def families(self) -> list[AnyFamily]:
        """All metrics, brought up to date, sorted by name."""
        with self._lock:
            hooks = list(self._hooks)
        for update in hooks:
            update()
        with self._lock:
            return [self._families[name] for name in sorted(self._families)]

    def _declare(
        self, name: str, help_text: str, labels: tuple[str, ...], make: Callable[[], SeriesT]
    ) -> Family[SeriesT]:
        if not _NAME.fullmatch(name):
            raise MetricError(f"expected a name such as penstock_stage_items_total, got {name!r}")
        for label in labels:
            if not _LABEL.fullmatch(label):
                raise MetricError(f"expected a label such as 'stage' for {name}, got {label!r}")
        family = Family(name, help_text, labels, make, self._max_series)
        with self._lock:
            known = self._families.setdefault(name, family)
        if known.label_names != labels or type(known.sample) is not type(family.sample):
            raise MetricError(f"{name} is already declared as another metric or with other labels")
        return known
