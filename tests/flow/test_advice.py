"""The report names the bottleneck and what to change, each rule shown by a run."""

import asyncio
import dataclasses
import gc
import time
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec import structs

from penstock import Flow, stage
from penstock.base import SystemClock
from penstock.flow import FlowReport
from penstock.testing import SimulatedLoop


def simulated(flow: Flow) -> FlowReport:
    loop = SimulatedLoop(seed=1)
    return loop.run(flow.with_clock(loop.clock).run_async())


class ProcessorClock(SystemClock):
    """Time on the processor, so that other programs make no difference."""

    monotonic = staticmethod(time.process_time)


class CallClock(SystemClock):
    """Time that passes where a call lets it, so that neither other programs nor we make a difference."""

    def __init__(self) -> None:
        self.elapsed = 0.0

    def monotonic(self) -> float:
        return self.elapsed


@pytest.fixture
def no_collection() -> Iterator[None]:
    """To look through what all other tests have left takes the processor longer than a flow does."""
    gc.disable()
    yield
    gc.enable()


async def slow(number: int) -> int:
    await asyncio.sleep(1)
    return number


def test_a_slow_source_sets_the_pace() -> None:
    """No stage is to blame."""

    async def source() -> Any:
        for number in range(5):
            await asyncio.sleep(10)
            yield number

    report = simulated(Flow("source") | source() | slow | [].append)

    assert (
        report.advice
        == "the source sets the pace: the busiest stage, 'slow', was busy 10% of the time"
    )


def test_a_stage_that_waits_wants_workers() -> None:
    """They wait side by side."""
    report = simulated(Flow("waits") | range(9) | slow | [].append)

    assert report.advice == "'slow' is the bottleneck (100% busy) and waits: raise its workers"


def test_a_slow_last_stage_wants_batches() -> None:
    """One write for many messages is what stores are made for."""
    report = simulated(Flow("sink") | range(9) | stage(name="store")(slow))

    assert report.bottleneck == "store"
    assert "give it batch=N, so that one write serves many messages" in report.advice


@pytest.mark.usefixtures("no_collection")
def test_a_thread_that_computes_wants_a_process() -> None:
    """Threads of one interpreter take turns."""

    def digest(number: int) -> int:
        end = time.thread_time() + 0.01
        while time.thread_time() < end:
            number += 1
        return number

    report = (
        Flow("cpu", clock=ProcessorClock()) | range(10) | stage(pool="thread")(digest) | [].append
    ).run()

    assert report.stages["digest"].computing > 0.6
    assert report.advice.startswith("'digest' is the bottleneck")
    assert report.advice.endswith("use pool='process'")


def test_a_thread_that_waits_wants_workers() -> None:
    """A process would wait just as long."""
    clock = CallClock()

    def pause(number: int) -> int:
        clock.elapsed += 1
        return number

    report = (Flow("io", clock=clock) | range(5) | stage(pool="thread")(pause) | [].append).run()

    assert report.advice.startswith("'pause' is the bottleneck (100% busy)")
    assert report.advice.endswith("and waits: raise its workers")


@pytest.mark.usefixtures("no_collection")
def test_a_loop_that_computes_wants_batches_or_processes() -> None:
    """Nothing waits, so that workers on the loop would not help."""
    flow = (
        Flow("loop", clock=ProcessorClock())
        | range(30_000)
        | stage(pool="async", name="sum")(compute)
        | [].append
    )

    advice = flow.run().advice

    assert advice.startswith("the event loop is the bottleneck")
    assert advice.endswith("give it batch=N or pool='process'")


def compute(number: int) -> int:
    return sum(range(60)) + number


def test_processes_want_to_be_as_many_as_there_are_cores() -> None:
    """More would take turns; what a stage of processes says of itself is that of any other."""
    report = simulated(Flow("process") | range(9) | slow | [].append)
    stages = {"slow": structs.replace(report.stages["slow"], pool="process")}
    statistics = structs.replace(report.statistics, stages=stages)

    advised = dataclasses.replace(report, statistics=statistics).advice

    assert (
        advised
        == "'slow' is the bottleneck (100% busy): raise its workers up to the number of cores"
    )
