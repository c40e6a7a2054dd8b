"""How many log lines one place in the code may write."""

from collections.abc import Hashable
from datetime import timedelta

from msgspec import Struct, field

from penstock.base import Clock, Value

_KINDS_REMEMBERED = 64


class Suppressed(Value):
    """What one call site did not get to say in one period."""

    site: Hashable
    count: int
    period: timedelta


class _Window(Struct):
    ends: float
    kept: int = 0
    suppressed: int = 0
    kinds: set[str] = field(default_factory=set)


class RateLimit:
    """Admits `count` lines per call site and period, and the first of each kind always.

    What was suppressed is counted and handed back once its period is over. Not thread-safe: a log
    handler calls it under its own lock.
    """

    def __init__(
        self, clock: Clock, *, count: int = 20, period: timedelta = timedelta(seconds=10)
    ) -> None:
        """Start with nothing seen.

        Args:
            clock: For the periods.
            count: Lines per call site and period; at least 1.
            period: A period begins with the first line of its call site.
        """
        self._clock = clock
        self._count = count
        self._period = period
        self._windows: dict[Hashable, _Window] = {}

    def admits(self, site: Hashable, kind: str) -> bool:
        """Whether a line may be written now.

        Args:
            site: Where in the code it comes from.
            kind: What makes it news beyond its place: the class of an error, for one.
        """
        window = self._windows.get(site)
        if window is None:
            window = self._windows[site] = self._open(set())
        if kind not in window.kinds and len(window.kinds) < _KINDS_REMEMBERED:
            window.kinds.add(kind)
            window.kept += 1
            return True
        if window.kept < self._count:
            window.kept += 1
            return True
        window.suppressed += 1
        return False

    def expired(self, *, at_end: bool = False) -> list[Suppressed]:
        """Summaries of the periods that are over; with `at_end` of all. Each is handed out once."""
        now = self._clock.monotonic()
        over = [site for site, window in self._windows.items() if at_end or window.ends <= now]
        summaries = []
        for site in over:
            window = self._windows.pop(site)
            if window.suppressed:
                summaries.append(Suppressed(site, window.suppressed, self._period))
            if window.suppressed and not at_end:
                self._windows[site] = self._open(window.kinds)
        return summaries

    def _open(self, kinds: set[str]) -> _Window:
        return _Window(self._clock.monotonic() + self._period.total_seconds(), kinds=kinds)
