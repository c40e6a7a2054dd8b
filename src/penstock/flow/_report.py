"""What a flow has done, and what would make it faster."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from penstock.base import format_size
from penstock.flow._advice import advice_of, bottleneck_of
from penstock.flow._dead_letters import DeadLetter, DeadLetterStore
from penstock.flow._errors import FlowError
from penstock.flow._statistics import FlowStatistics, StageStatistics

Ending = Literal["finished", "drained", "cancelled", "failed"]


@dataclass(frozen=True, slots=True)
class FlowReport:
    """The outcome of a run: `pulled + extra == delivered + filtered + dead + in_flight`."""

    flow: str
    ending: Ending
    """`drained` where it was asked to stop and finished its work; `cancelled` also when a drain came too late."""

    statistics: FlowStatistics
    acked: int
    """Source messages that are settled, and acknowledged to the source."""
    letters: DeadLetterStore = field(repr=False)
    lost: int = 0
    """Source messages that were acknowledged early (`ack="early"`) and have not ended; no restart gives them again."""

    @property
    def pulled(self) -> int:
        """Messages that the source gave."""
        return self.statistics.pulled

    @property
    def extra(self) -> int:
        """Messages gained from one to many."""
        return self.statistics.extra

    @property
    def delivered(self) -> int:
        """Messages that the last stage is done with."""
        return self.statistics.delivered

    @property
    def filtered(self) -> int:
        """Messages that a stage let go on purpose."""
        return self.statistics.filtered

    @property
    def dead(self) -> int:
        """Messages recorded as dead letters."""
        return self.statistics.dead

    @property
    def in_flight(self) -> int:
        """Messages not settled: handed back by a drain, or left by a cancel."""
        return self.statistics.in_flight

    @property
    def dead_letters(self) -> Iterator[DeadLetter]:
        """The last 1,000 dead letters; `dead` counts all. Give the flow `dead_letters=` to keep all."""
        return self.letters.read()

    @property
    def stages(self) -> Mapping[str, StageStatistics]:
        """The statistics of each stage at the end."""
        return self.statistics.stages

    @property
    def bottleneck(self) -> str:
        """The stage whose workers were busiest; empty where nothing ran."""
        return bottleneck_of(self.statistics)

    @property
    def advice(self) -> str:
        """What to change about the bottleneck, in one sentence."""
        return advice_of(self.statistics)

    def __str__(self) -> str:
        lost = f"; {self.lost:,} lost, acknowledged before they had ended" if self.lost else ""
        last = f"{self.ending}{lost}; {self.advice}"
        return "\n".join([render(self.statistics), *_hung(self.statistics), last])


@dataclass(eq=False)
class FlowFailedError(FlowError):
    """The flow ended before its work did; the cause is chained, the report says how far it came."""

    flow: str
    reason: str
    report: FlowReport

    def __str__(self) -> str:
        return (
            f"flow {self.flow!r} failed: {self.reason}; {self.report.delivered:,} delivered and "
            f"{self.report.in_flight:,} left in flight, which were not acknowledged"
        )


class DeadLimitError(FlowFailedError):
    """The flow ended because more messages were dead than it may lose."""

    exit_code = 3


def _hung(statistics: FlowStatistics) -> list[str]:
    """One line for each stage with threads that are stuck."""
    return [
        f"{stage.hung:,} thread{'s' if stage.hung > 1 else ''} of {stage.name!r} still in a call, and left behind: "
        "give the call a time-out of its own, or use pool='process', whose workers can be killed"
        for stage in statistics.stages.values()
        if stage.hung
    ]


_COLUMNS = (
    "stage", "pool", "taken", "out", "filtered", "dead", "retries", "queue", "peak", "wait p50", "run p50",
    "run p99", "per s", "busy",
)  # fmt: skip


def render(statistics: FlowStatistics) -> str:
    """The statistics as a table of plain text."""
    rows = [_COLUMNS, *(_row(stage) for stage in statistics.stages.values())]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    head = (
        f"flow {statistics.flow}: {statistics.pulled:,} pulled + {statistics.extra:,} extra = "
        f"{statistics.delivered:,} delivered + {statistics.filtered:,} filtered + {statistics.dead:,} dead + "
        f"{statistics.in_flight:,} in flight, in {statistics.elapsed:.2f}s"
    )
    return "\n".join([head, *lines])


def _row(stage: StageStatistics) -> tuple[str, ...]:
    return (
        stage.name,
        f"{stage.pool} x{stage.workers}",
        f"{stage.taken:,}",
        f"{stage.emitted:,}",
        f"{stage.filtered:,}",
        f"{stage.dead:,}",
        f"{stage.retries:,}",
        f"{stage.queue_items:,} ({format_size(stage.queue_bytes)})",
        f"{stage.peak_items:,}/{stage.capacity:,}",
        seconds(stage.wait_p50),
        seconds(stage.run_p50),
        seconds(stage.run_p99),
        f"{stage.throughput:,.0f}",
        f"{stage.utilization:.0%}",
    )


def seconds(value: float) -> str:
    """A duration for people, in three digits.

    >>> seconds(0.0123)
    '12.3ms'
    """
    for factor, unit in ((1e-6, "ns"), (1e-3, "us"), (1.0, "ms")):
        if value < factor:
            return f"{value / factor * 1000:.3g}{unit}"
    return f"{value:.3g}s"
