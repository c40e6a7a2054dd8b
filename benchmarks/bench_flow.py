"""What does a message cost in a flow, against the bare tools one would use instead?

Three figures, each the median of five alternating pairs in one process:

- three async stages, one message per call, with acks and statistics, against a chain of bare
  `asyncio.Queue` without either;
- the same with `batch=64`, against the same chain;
- a process stage with 256 messages per hop, against `ProcessPoolExecutor.map(chunksize=256)`.

Run it: `python benchmarks/bench_flow.py [--json FILE] [--messages N] [--pairs N]`.
"""

import argparse
import asyncio
import gc
import json
import platform
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from statistics import median

from penstock import Flow, stage

CAPACITY = 1024
WORKERS = 2
WARM = 8192


@dataclass(frozen=True)
class Figure:
    """One comparison; times in microseconds per message, medians over the pairs."""

    case: str
    ours_us: float
    peer_us: float
    ratio: float
    must: float
    aim: float

    def __str__(self) -> str:
        verdict = "holds" if self.ratio <= self.must else "FAILS"
        return (
            f"{self.case:<46} {self.ours_us:7.3f} us  {self.peer_us:7.3f} us  {self.ratio:5.2f}  "
            f"must {self.must:.2f} ({verdict}), aim {self.aim:.2f}"
        )


async def add_one(number: int) -> int:
    """One async stage: the least work there is."""
    return number + 1


@stage(batch=64)
async def add_one_batched(numbers: list[int]) -> list[int]:
    """The same, a batch per call."""
    return [number + 1 for number in numbers]


def work(number: int) -> int:
    """What the executor maps."""
    return number * 2


@stage(pool="process", workers=WORKERS, chunk=256)
def work_stage(number: int) -> int:
    """The same work as a stage of processes."""
    return number * 2


async def _bare(messages: int) -> list[int]:
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
            await below.put(await add_one(number))
        await below.put(None)

    async def sink() -> None:
        while (number := await queues[3].get()) is not None:
            out.append(number)

    async with asyncio.TaskGroup() as group:
        group.create_task(source())
        for above, below in pairwise(queues):
            group.create_task(worker(above, below))
        group.create_task(sink())
    return out


def bare(messages: int) -> float:
    """Seconds per message of the bare queues."""
    started = time.perf_counter()
    out = asyncio.run(_bare(messages))
    spent = time.perf_counter() - started
    assert len(out) == messages
    return spent / messages


def three_stages(messages: int) -> float:
    """Seconds per message of three async stages, a message per call."""
    out: list[int] = []
    flow = (
        Flow("bench", capacity=CAPACITY)
        | range(messages)
        | add_one
        | add_one
        | add_one
        | out.append
    )
    started = time.perf_counter()
    report = flow.run()
    spent = time.perf_counter() - started
    assert len(out) == report.acked == messages
    return spent / messages


def three_batched(messages: int) -> float:
    """Seconds per message of three async stages, 64 messages per call."""
    out: list[int] = []
    one = add_one_batched
    flow = (
        Flow("bench", capacity=CAPACITY)
        | range(messages)
        | one
        | one
        | one
        | stage(batch=64)(out.extend)
    )
    started = time.perf_counter()
    report = flow.run()
    spent = time.perf_counter() - started
    assert len(out) == report.acked == messages
    return spent / messages


def process_stage(messages: int) -> float:
    """The hop in a steady state: the clock starts when both processes have started and are warm."""
    out: list[int] = []
    marks: list[tuple[float, int]] = []
    ended = [0.0]

    def collect(numbers: list[int]) -> None:
        out.extend(numbers)
        ended[0] = time.perf_counter()
        if not marks and len(out) >= WARM:
            marks.append((ended[0], len(out)))

    sink = stage(batch=256, within="1ms", pool="async")(collect)
    (Flow("bench", capacity=CAPACITY) | range(messages + WARM) | work_stage | sink).run()
    assert len(out) == messages + WARM
    started, done = marks[0]
    return (ended[0] - started) / (len(out) - done)


def executor_map(messages: int) -> float:
    """Seconds per message of the standard library's pool, warm."""
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as pool:
        list(pool.map(work, range(WARM), chunksize=256))
        started = time.perf_counter()
        out = list(pool.map(work, range(messages), chunksize=256))
        spent = time.perf_counter() - started
    assert len(out) == messages
    return spent / messages


def compare(
    case: str,
    ours: Callable[[int], float],
    peer: Callable[[int], float],
    limits: tuple[float, float],
    run: tuple[int, int],
) -> Figure:
    """Alternate the two, one discarded pair first; the ratio is the median of the pairs' ratios."""
    messages, pairs = run
    must, aim = limits
    mine: list[float] = []
    theirs: list[float] = []
    for number in range(pairs + 1):
        for function, times in ((ours, mine), (peer, theirs)):
            gc.collect()
            spent = function(messages)
            if number:
                times.append(spent)
    ratio = median(one / other for one, other in zip(mine, theirs, strict=True))
    return Figure(case, median(mine) * 1e6, median(theirs) * 1e6, ratio, must, aim)


def main() -> None:
    """Compare all cases, print each as it ends."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    parser.add_argument("--messages", type=int, default=200_000)
    parser.add_argument("--pairs", type=int, default=5)
    options = parser.parse_args()
    run = (options.messages, options.pairs)
    print(
        f"{'case':<46} {'penstock':>10}  {'peer':>10}  ratio  ({platform.python_version()}, {platform.machine()})"
    )
    figures = []
    for case, ours, peer, limits in (
        ("three async stages / bare asyncio.Queue", three_stages, bare, (2.0, 1.5)),
        ("three async stages, batch 64 / bare", three_batched, bare, (0.4, 0.3)),
        ("process hop, chunk 256 / executor.map", process_stage, executor_map, (1.2, 0.8)),
    ):
        figures.append(compare(case, ours, peer, limits, run))
        print(figures[-1], flush=True)
    if options.json is not None:
        options.json.write_text(json.dumps([asdict(figure) for figure in figures], indent=2) + "\n")


if __name__ == "__main__":
    main()
