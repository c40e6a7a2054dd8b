"""Counting and timing that is cheap enough to be always on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from penstock.base import Value

_BUCKETS = 160
_STEPS = 4  # buckets per doubling: a quantile is at most 19 % too high
_FINEST = 1e-7


@dataclass(slots=True)
class Histogram:
    """Durations in logarithmic buckets from 100 ns to some 100 hours."""

    counts: list[int] = field(default_factory=lambda: [0] * _BUCKETS)
    total: float = 0.0

    def add(self, seconds: float, times: int = 1) -> None:
        """Count `times` durations of `seconds` each."""
        self.total += seconds * times
        ticks = int(seconds * (16 / _FINEST)) | 16
        power = ticks.bit_length() - 5
        place = power * _STEPS + ((ticks >> (power + 2)) & 3)
        self.counts[place if place < _BUCKETS else -1] += times

    def quantile(self, share: float) -> float:
        """Upper bound of the smallest duration that `share` of all do not exceed; 0 where nothing was counted."""
        wanted = share * sum(self.counts)
        passed = 0
        for place, count in enumerate(self.counts):
            passed += count
            if count and passed >= wanted:
                power, step = divmod(place, _STEPS)
                return float(_FINEST * 2**power * (1 + (step + 1) / _STEPS))
        return 0.0


class Busy(Protocol):
    """Something that was left behind with a call under way."""

    busy: bool


@dataclass(slots=True)
class Meter:
    """The live counters of one stage; plain integers, touched by the loop's thread only."""

    taken: int = 0
    extra: int = 0
    emitted: int = 0
    filtered: int = 0
    dead: int = 0
    returned: int = 0
    failures: int = 0
    retries: int = 0
    replaced: int = 0
    left: list["Busy"] = field(default_factory=list)
    computed: float = 0.0
    run: Histogram = field(default_factory=Histogram)
    wait: Histogram = field(default_factory=Histogram)
    blocked: float = 0.0
    limited: float = 0.0

    @property
    def hung(self) -> int:
        """Threads left behind in a call that has not returned."""
        return sum(one.busy for one in self.left)

    @property
    def in_hand(self) -> int:
        """Messages taken and not yet handed on or settled."""
        gained = self.taken + self.extra
        return gained - self.emitted - self.filtered - self.dead - self.returned


class StageStatistics(Value):
    """One stage at one instant; durations in seconds."""

    name: str
    pool: str
    workers: int
    taken: int
    """Messages that the stage has begun."""
    emitted: int
    """Messages handed on, or delivered by the last stage."""
    filtered: int
    dead: int
    extra: int
    """Messages gained from one to many."""
    failures: int
    """Attempts that failed, of single messages and of batches."""
    retries: int
    """Attempts made again."""
    replaced: int
    """Workers that died or hung, and were replaced."""
    hung: int
    """Threads left behind in a call, by a time-out or a cancel: they end when it returns, and cannot be killed."""
    in_hand: int
    queue_items: int
    queue_bytes: int
    peak_items: int
    peak_bytes: int
    capacity: int
    capacity_bytes: int
    oldest_age: float
    """Age of the oldest waiting message, at most 16 messages too old."""
    wait_p50: float
    wait_p99: float
    run_p50: float
    """Time of one message in the function; where it takes less than 20 us, means of 16 are counted."""
    run_p99: float
    throughput: float
    """Messages handed on or settled per second since the start."""
    utilization: float
    """Share of its workers' time spent in the function, 0 to 1."""
    blocked: float
    """Share of its workers' time spent waiting for room below, 0 to 1."""
    limited: float
    """Share of its workers' time spent waiting for its rate limit, 0 to 1."""
    computing: float
    """Share of the time in the function that its threads spent on the processor; 0 where not measured."""
    batch: int
    """Most messages per call; 0: one, which is no batch."""


class FlowStatistics(Value):
    """A flow at one instant: `pulled + extra == delivered + filtered + dead + in_flight`, always."""

    flow: str
    elapsed: float
    pulled: int
    extra: int
    delivered: int
    filtered: int
    dead: int
    in_flight: int
    stages: Mapping[str, StageStatistics]

    @property
    def balanced(self) -> bool:
        """Whether the outcomes add up, as they must."""
        return self.pulled + self.extra == (
            self.delivered + self.filtered + self.dead + self.in_flight
        )
