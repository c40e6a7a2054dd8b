"""Three async stages, and the bare queues that one would use instead."""

import asyncio
import threading
import time
from itertools import pairwise
from typing import Any

from benchmarks.flow_work import CAPACITY, add_one_async, per_message
from penstock import Flow, stage
from penstock.telemetry import Metrics, exposition

_SCRAPES_S = 0.1
"""Between two scrapes: a hundred times as often as Prometheus does by default."""


@stage(batch=64)
async def add_one_batched(numbers: list[int]) -> list[int]:
    """One async stage, a batch per call."""
    return [number + 1 for number in numbers]


async def _bare(messages: int) -> int:
    queues: list[asyncio.Queue[int | None]] = [asyncio.Queue(CAPACITY) for _ in range(4)]
    out: list[int] = []

    async def source() -> None:
        for number in range(messages):
            await queues[0].put(number)
        await queues[0].put(None)

    async def worker(
        above: "asyncio.Queue[int | None]", below: "asyncio.Queue[int | None]"
    ) -> None:
        while (number := await above.get()) is not None:
            await below.put(await add_one_async(number))
        await below.put(None)

    async def sink() -> None:
        while (number := await queues[3].get()) is not None:
            out.append(number)

    async with asyncio.TaskGroup() as group:
        group.create_task(source())
        for above, below in pairwise(queues):
            group.create_task(worker(above, below))
        group.create_task(sink())
    return len(out)


def bare_queues(messages: int) -> float:
    """Seconds per message of `asyncio.Queue`, without acks and statistics."""
    return per_message(messages, lambda: asyncio.run(_bare(messages)))


def _three_stages(messages: int, metrics: Any = None) -> int:
    out: list[int] = []
    one = add_one_async
    flow = Flow("bench", capacity=CAPACITY) | range(messages) | one | one | one | out.append
    return len(out) if flow.run(metrics=metrics).acked == messages else 0


def three_async(messages: int) -> float:
    """Seconds per message, a message per call."""
    return per_message(messages, lambda: _three_stages(messages))


def three_exported(messages: int) -> float:
    """Seconds per message while the metrics are exported, and scraped all the time."""
    metrics, ended = Metrics(), threading.Event()

    def scrape() -> None:
        while not ended.wait(_SCRAPES_S):
            exposition(metrics)

    scraper = threading.Thread(target=scrape)
    scraper.start()
    try:
        return per_message(messages, lambda: _three_stages(messages, metrics))
    finally:
        ended.set()
        scraper.join()


def three_batched(messages: int) -> float:
    """Seconds per message, 64 messages per call."""
    out: list[int] = []
    one = add_one_batched
    source = Flow("bench", capacity=CAPACITY) | range(messages)
    flow = source | one | one | one | stage(batch=64)(out.extend)
    started = time.perf_counter()
    report = flow.run()
    spent = time.perf_counter() - started
    assert len(out) == report.acked == messages
    return spent / messages
