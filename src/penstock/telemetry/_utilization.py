"""How busy something is, smoothed."""


class Utilization:
    """An exponentially weighted mean of busy / (busy + idle).

    Time is gathered until `period_s` is full and then weighed in once, so the number of calls does
    not change the result.
    """

    def __init__(self, *, smoothing: float = 0.9, period_s: float = 5.0) -> None:
        """Start without an opinion.

        Args:
            smoothing: Weight of the past, 0 to 1; 0 forgets at once.
            period_s: Seconds that make one sample.
        """
        self._smoothing = smoothing
        self._period_s = period_s
        self._busy_s = 0.0
        self._idle_s = 0.0
        self._mean: float | None = None

    @property
    def value(self) -> float:
        """0 (always idle) to 1 (always busy). Until the first sample is full: of what there is."""
        if self._mean is not None:
            return self._mean
        seen = self._busy_s + self._idle_s
        return self._busy_s / seen if seen else 0.0

    def add(self, *, busy_s: float = 0.0, idle_s: float = 0.0) -> None:
        """Add time spent; neither may be negative."""
        self._busy_s += busy_s
        self._idle_s += idle_s
        seen = self._busy_s + self._idle_s
        if seen < self._period_s or seen == 0.0:
            return
        sample = self._busy_s / seen
        past = sample if self._mean is None else self._mean
        self._mean = self._smoothing * past + (1 - self._smoothing) * sample
        self._busy_s = self._idle_s = 0.0
