"""Two ways side by side: alternating pairs, the median of their ratios, and how sure of it one may be."""

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import comb
from statistics import median

Timed = Callable[[int], float]
"""Seconds per message, of so many messages."""


@dataclass(frozen=True)
class Comparison:
    """What is compared, how often and at which size, and what must hold."""

    case: str
    ours: Timed
    peer: Timed
    must: float
    aim: float | None = None
    least: bool = False
    """The ratio is the peer's time by ours, and may not be lower; else ours by the peer's, and not higher."""
    sure: bool = False
    """The worse end of the interval decides, not the median."""
    share: float = 1.0
    """Of the messages: fewer where one takes long."""
    near: bool = True
    """The limit is near 1, where few pairs would say nothing."""

    def ratio(self, ours: float, peer: float) -> float:
        """What is judged of one pair."""
        return peer / ours if self.least else ours / peer


@dataclass(frozen=True)
class Figure:
    """One comparison; times in microseconds per message, medians over the pairs."""

    case: str
    ours_us: float
    peer_us: float
    ratio: float
    low: float
    high: float
    """The median of the ratios lies between `low` and `high`, in 95 of 100 cases."""
    must: float
    aim: float | None
    least: bool
    sure: bool

    @property
    def judged(self) -> float:
        """What is held against the limit."""
        worse = self.low if self.least else self.high
        return worse if self.sure else self.ratio

    @property
    def holds(self) -> bool:
        """Whether the limit is kept."""
        return self.judged >= self.must if self.least else self.judged <= self.must

    def __str__(self) -> str:
        verdict = "holds" if self.holds else "FAILS"
        bound = "at least" if self.least else "at most"
        return (
            f"{self.case:<52} {self.ours_us:9.2f} us {self.peer_us:9.2f} us  "
            f"{self.ratio:6.2f} ({self.low:.2f} to {self.high:.2f})  {bound} {self.must:.2f} ({verdict})"
        )


def compare(comparison: Comparison, messages: int, pairs: int) -> Figure:
    """Alternate the two, one discarded pair first; every other pair begins with the peer."""
    count = max(int(messages * comparison.share), 8)
    times: dict[Timed, list[float]] = {comparison.ours: [], comparison.peer: []}
    order = [comparison.ours, comparison.peer]
    for _ in range(pairs + 1):
        for way in order:
            gc.collect()
            times[way].append(way(count))
        order.reverse()
    mine, theirs = times[comparison.ours][1:], times[comparison.peer][1:]
    ratios = [comparison.ratio(our, their) for our, their in zip(mine, theirs, strict=True)]
    low, high = interval(ratios)
    return Figure(
        case=comparison.case,
        ours_us=median(mine) * 1e6,
        peer_us=median(theirs) * 1e6,
        ratio=median(ratios),
        low=low,
        high=high,
        must=comparison.must,
        aim=comparison.aim,
        least=comparison.least,
        sure=comparison.sure,
    )


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Where the median lies with at least 95 % confidence, by order statistics; of fewer than six, the extremes."""
    ranked, count = sorted(values), len(values)
    outside, rank = 0.0, 0
    while rank < count // 2:
        outside += comb(count, rank) / 2**count
        if outside > 0.025:
            break
        rank += 1
    place = max(rank - 1, 0)
    return ranked[place], ranked[count - 1 - place]
