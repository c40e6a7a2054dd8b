"""Each stage slowed in turn: what waits is bounded, the pace is that of the slowest, nothing is lost."""

import asyncio
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import pytest

from penstock import Flow, stage
from penstock.flow import FlowReport, Message
from penstock.testing import ListSource, SimulatedLoop

STAGES = ("parse", "enrich", "score", "store")
CAPACITY = 16
SIZE = 1000


def run_slowed(
    slow: str, source: Any, *, seconds: float, capacity_bytes: int = 1 << 20
) -> FlowReport:
    """Four stages, of which `slow` takes `seconds` and the others a tenth of that; in virtual time."""
    loop = SimulatedLoop(seed=1)

    def step(name: str) -> Any:
        async def work(payload: bytes) -> bytes:
            await asyncio.sleep(seconds if name == slow else seconds / 10)
            return payload

        return stage(name=name)(work)

    flow = (
        Flow("slowed", capacity=CAPACITY, capacity_bytes=capacity_bytes, clock=loop.clock) | source
    )
    for name in STAGES:
        flow = flow | step(name)
    return loop.run(flow.run_async())


@pytest.mark.parametrize("slow", STAGES)
def test_the_flow_is_as_fast_as_its_slowest_stage_and_no_queue_overflows(slow: str) -> None:
    """Upstream is held back, downstream waits; within 5 % of the slowest stage's own pace."""
    source = ListSource([bytes(SIZE)] * 300)

    report = run_slowed(slow, source, seconds=1.0)

    assert report.delivered == len(source.acked) == 300
    assert report.statistics.elapsed == pytest.approx(300, rel=0.05)
    assert report.bottleneck == slow
    assert all(one.peak_items <= CAPACITY for one in report.stages.values())
    above = STAGES[: STAGES.index(slow) + 1]
    assert [report.stages[name].peak_items for name in above] == [CAPACITY] * len(above)


@pytest.mark.parametrize("slow", STAGES)
def test_no_queue_holds_more_bytes_than_it_may(slow: str) -> None:
    """Whichever bound comes first: here there is room for three messages."""
    most = 3 * SIZE + 200

    report = run_slowed(slow, ListSource([bytes(SIZE)] * 100), seconds=1.0, capacity_bytes=most)

    assert report.delivered == 100
    assert all(one.peak_bytes <= most for one in report.stages.values())


class BurstSource(ListSource[bytes]):
    """A message each second, and for a while ten."""

    def __init__(self, count: int, burst: range) -> None:
        super().__init__([bytes(SIZE)] * count)
        self.burst = burst
        self.late = 0.0

    async def pull(self, demand: int) -> Sequence[Message[bytes]]:
        loop = asyncio.get_running_loop()
        due = sum(0.1 if number in self.burst else 1.0 for number in range(self._next))
        self.late = max(loop.time() - due, 0.0)
        await asyncio.sleep(max(due - loop.time(), 0.0))
        return await super().pull(1)


def test_a_burst_of_ten_times_the_rate_loses_nothing_and_is_caught_up_with() -> None:
    """A stage that is twice as fast as the source holds the burst back, and works it off."""
    source = BurstSource(600, burst=range(100, 300))

    report = run_slowed("score", source, seconds=0.5)

    assert report.delivered == len(source.acked) == 600
    assert max(one.peak_items for one in report.stages.values()) == CAPACITY
    assert source.late < 0.01


PROGRAM = """
import sys
from pathlib import Path
from penstock import Flow, stage

def pages(count):
    for number in range(count):
        yield bytes(20_000)

def keep(page):
    return page

report = (Flow("memory", capacity=64) | pages(int(sys.argv[1])) | stage(pool="thread", workers=2)(keep) | len).run()
assert report.delivered == int(sys.argv[1])
# Of this program alone: what getrusage says begins with the peak of whoever started it.
status = Path("/proc/self/status").read_text()
print(status.partition("VmHWM:")[2].split()[0])
"""


@pytest.mark.slow
def test_ten_times_the_input_takes_no_more_memory() -> None:
    """At most a tenth and 20 MB more at the peak of a real process, whose input would be 400 MB."""

    def peak(count: int) -> int:
        told = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(count)], check=True, capture_output=True, text=True
        )
        return int(told.stdout) * 1024

    assert peak(20_000) <= 1.1 * peak(2_000) + 20e6
