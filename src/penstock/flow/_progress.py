"""Live progress through one small port: a function that is called with statistics."""

import sys
from collections.abc import Callable

from penstock.base import Clock
from penstock.flow._statistics import FlowStatistics

Observer = Callable[[FlowStatistics], None]
INTERVAL = 1.0


def print_line(statistics: FlowStatistics) -> None:
    """One plain line on standard error: for terminals, logs and files alike."""
    stages = " | ".join(
        f"{stage.name} {stage.emitted:,} ({stage.queue_items:,} waiting, {stage.utilization:.0%} busy)"
        for stage in statistics.stages.values()
    )
    rate = statistics.delivered / statistics.elapsed if statistics.elapsed else 0.0
    line = (
        f"{statistics.flow}: {statistics.pulled:,} in, {statistics.delivered:,} out ({rate:,.0f}/s), "
        f"{statistics.dead:,} dead, {statistics.in_flight:,} in flight | {stages}"
    )
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


async def observe(take: Callable[[], FlowStatistics], observer: Observer, clock: Clock) -> None:
    """Call `observer` every second until cancelled."""
    while True:
        await clock.sleep(INTERVAL)
        observer(take())


def observer_of(progress: "bool | Observer") -> Observer | None:
    """The observer that stands for what a user gave: True prints plain lines, False is silence."""
    if progress is True:
        return print_line
    return progress or None
