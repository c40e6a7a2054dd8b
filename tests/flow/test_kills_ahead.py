"""A worker is killed while it has work ahead: only what it had begun costs an attempt."""

import asyncio
import os
import signal
from collections import defaultdict
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from penstock import Flow, FlowReport, RetryPolicy, stage
from penstock.flow import RunningFlow, Stage
from tests.flow import process_stages as work

pytestmark = pytest.mark.slow
KILLS = 3
AHEAD = 5
SOON = RetryPolicy(initial_interval="0s", maximum_interval="0s")


class Killer:
    """A flow without end over a stage of processes, whose workers die while much is sent to them."""

    def __init__(self, made: Stage[..., Any], folder: Path, *, within: bool) -> None:
        """Within a call, by their own hand, which is when they are told; or by that of another, whenever that is."""
        self._folder = folder
        self._within = within
        self._done = False
        self._name = made.name
        self.rows: list[int] = []
        self._last = 0
        self._flow = Flow("killed", capacity=256) | self._items() | made | self._take

    async def _items(self) -> AsyncIterator[tuple[int, str, bytes]]:
        for number in count():
            if self._done:
                return
            # Some are so large that what they are sent with goes by shared memory.
            yield number, str(self._folder), bytes(300_000 if number % 50 == 0 else 10)

    async def _take(self, row: tuple[int, int, bytes]) -> None:
        number, self._last, _ = row
        self.rows.append(number)

    async def run(self) -> FlowReport:
        async with self._flow.start() as running:
            for kills in range(1, KILLS + 1):
                while not self._far_ahead(running):
                    await asyncio.sleep(0)
                if self._within:
                    (self._folder / "die").touch()
                else:
                    os.kill(self._last, signal.SIGKILL)
                while running.statistics().stages[self._name].replaced < kills:
                    await asyncio.sleep(0.001)
                # Nothing is hit twice, and nobody who is dead already.
                begun = self.runs().keys()
                while not begun <= set(self.rows):
                    await asyncio.sleep(0.001)
                after = max(self.rows)
                while max(self.rows) == after:
                    await asyncio.sleep(0.001)
            self._done = True
            report: FlowReport = await running.wait()
        return report

    def _far_ahead(self, running: RunningFlow) -> bool:
        return running.statistics().stages[self._name].in_hand >= AHEAD

    def runs(self) -> dict[int, tuple[int, ...]]:
        """What was noted of each message, for each time that the function had it."""
        runs: dict[int, list[int]] = defaultdict(list)
        for line in (self._folder / "runs").read_text().splitlines():
            number, noted = map(int, line.split())
            runs[number].append(noted)
        return {number: tuple(noted) for number, noted in runs.items()}


def shared() -> int:
    """Maps of shared memory of this process."""
    return Path("/proc/self/maps").read_text().count("/memfd:penstock")


@pytest.mark.parametrize(("workers", "order"), [(1, "none"), (2, "input")])
def test_a_message_that_was_begun_costs_an_attempt_and_none_behind_it(
    tmp_path: Path, workers: int, order: Any
) -> None:
    """What was sent and not begun is worked on by another worker, as the first attempt that it is."""
    before = shared()
    made = stage(pool="process", chunk=1, workers=workers, order=order, retry=SOON)(work.noted)
    killer = Killer(made, tmp_path, within=True)

    report = asyncio.run(killer.run())

    delivered = sorted(killer.rows) if order == "none" else killer.rows
    assert delivered == list(range(report.delivered))
    assert (report.dead, report.stages["noted"].replaced) == (0, KILLS)
    again = [ran for ran in killer.runs().values() if ran != (1,)]
    assert again == [(1, 2)] * KILLS
    assert report.stages["noted"].retries == KILLS
    assert shared() == before


def test_a_worker_that_dies_whenever_costs_at_most_what_it_had_begun(tmp_path: Path) -> None:
    """In a call, before one, or while it answers; what is done before it in its chunk is done again, at no charge."""
    made = stage(pool="process", chunk=3, order="input", retry=SOON)(work.noted)
    killer = Killer(made, tmp_path, within=False)

    report = asyncio.run(killer.run())

    assert killer.rows == list(range(report.delivered))
    again = [ran for ran in killer.runs().values() if ran != (1,)]
    charged = sum(max(ran) - 1 for ran in again)
    assert report.stages["noted"].retries == charged <= KILLS
    assert len(again) <= KILLS * 3
    assert (report.dead, report.stages["noted"].replaced) == (0, KILLS)


def test_a_batch_that_was_begun_is_halved_and_none_behind_it(tmp_path: Path) -> None:
    """Those that were sent behind it stay whole, and run once."""
    options: dict[str, Any] = {"batch": 8, "within": "1h", "retry": SOON}
    made = stage(pool="process", **options)(work.noted_batch)
    killer = Killer(made, tmp_path, within=True)

    report = asyncio.run(killer.run())

    assert sorted(killer.rows) == list(range(report.delivered))
    assert (report.dead, report.stages["noted_batch"].replaced) == (0, KILLS)
    whole = report.delivered // 8 * 8
    runs = [ran for number, ran in killer.runs().items() if number < whole]
    assert sorted(runs) == sorted([(8,)] * (whole - 8 * KILLS) + [(8, 4)] * (8 * KILLS))
