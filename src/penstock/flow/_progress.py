"""Live progress through one small port: a function that is called with statistics."""

import shutil
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any, Protocol, TextIO, cast

from penstock.base import Clock
from penstock.flow._report import render
from penstock.flow._statistics import FlowStatistics

Observer = Callable[[FlowStatistics], None]


class Exporter(Protocol):
    """Tells others of a running flow."""

    def start(self, take: Callable[[], FlowStatistics]) -> None:
        """Tell what `take` returns, from now on."""
        ...

    def stop(self) -> None:
        """Tell no more."""
        ...


INTERVAL = 1.0


def print_line(statistics: FlowStatistics) -> None:
    """One plain line on standard error: for logs and files."""
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


class LiveTable:
    """The table of the report, drawn over itself on a terminal."""

    def __init__(self, terminal: TextIO) -> None:
        self._terminal = terminal
        self._drawn = 0

    def __call__(self, statistics: FlowStatistics) -> None:
        # A line that wraps would take two rows, and the next drawing would start too low.
        width = shutil.get_terminal_size().columns - 1
        lines = [line[:width] for line in render(statistics).splitlines()]
        back = f"\x1b[{self._drawn}A\x1b[J" if self._drawn else ""
        self._terminal.write(back + "\n".join(lines) + "\n")
        self._terminal.flush()
        self._drawn = len(lines)


async def observe(take: Callable[[], FlowStatistics], observer: Observer, clock: Clock) -> None:
    """Call `observer` every second until cancelled, and a last time then."""
    try:
        while True:
            await clock.sleep(INTERVAL)
            observer(take())
    finally:
        observer(take())


def exporter_of(metrics: Any) -> Exporter | None:
    """What exports to a registry of metrics or on an address; loaded, with telemetry, when it is used."""
    if metrics is None or metrics is False:
        return None
    return cast("Exporter", import_module("penstock.flow._monitor").Monitor(metrics))


def observer_of(progress: "bool | Observer") -> Observer | None:
    """The observer that stands for what a user gave: True shows on standard error, False is silence."""
    if progress is True:
        return LiveTable(sys.stderr) if sys.stderr.isatty() else print_line
    return progress or None
