"""A stage of processes, and what the standard library has in its place; all in a steady state."""

import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from multiprocessing.queues import Queue, SimpleQueue
from multiprocessing.synchronize import Barrier
from threading import Thread
from typing import Any

from benchmarks.flow_work import (
    CAPACITY,
    WARM,
    WARM_CHUNKED,
    WORKERS,
    compute,
    double,
    per_message,
    steady,
)
from penstock import Flow, stage

_SPAWN = get_context("spawn")
_WARM_COMPUTED = 1024
"""More than a second of it: the spare worker, which starts then, has done so before the clock runs."""


@stage(pool="process", workers=WORKERS, chunk=256)
def double_in_chunks(number: int) -> int:
    """The hop, 256 messages at a time."""
    return number * 2


@stage(pool="process", workers=WORKERS, chunk=1)
def double_singly(number: int) -> int:
    """The hop, a message at a time."""
    return number * 2


compute_in_processes = stage(pool="process", workers=WORKERS)(compute)


def measured(over: Any, source: Iterable[Any], messages: int, warm: int, batch: int = 256) -> float:
    """Seconds per message of a flow over a stage; the clock starts before the message after `warm` others.

    The sink is given up to `batch` at a time: 1 where they come so far apart that none has company.
    """
    seen = done = 0
    started = ended = time.perf_counter()

    def collect(numbers: list[Any]) -> None:
        nonlocal seen, done, started, ended
        seen += len(numbers)
        ended = time.perf_counter()
        if seen <= warm:
            started, done = ended, seen

    sink = stage(batch=batch, within="1ms", pool="async")(collect)
    (Flow("bench", capacity=CAPACITY) | source | over | sink).run()
    assert seen == messages + warm
    return (ended - started) / (seen - done)


def process_chunks(messages: int) -> float:
    """Seconds per message, 256 per hop."""
    source = range(messages + WARM_CHUNKED)
    return measured(double_in_chunks, source, messages, WARM_CHUNKED)


def process_single(messages: int) -> float:
    """Seconds per message, one per hop."""
    return measured(double_singly, range(messages + WARM), messages, WARM)


def cpu_map(messages: int) -> float:
    """Seconds per message of a function that takes some milliseconds."""
    source = range(messages + _WARM_COMPUTED)
    return measured(compute_in_processes, source, messages, _WARM_COMPUTED, batch=1)


def _compute_share(count: int, gate: Barrier, paces: "SimpleQueue[float]") -> None:
    gate.wait()
    paces.put(per_message(count, lambda: len(list(map(compute, range(count))))))


def ideal_map(messages: int) -> float:
    """The same where no message travels: each process has its share, all at once, and none waits for another.

    One process alone would say what no two can do: a processor is slower while the other is busy.
    """
    gate = _SPAWN.Barrier(WORKERS)
    paces: SimpleQueue[float] = _SPAWN.SimpleQueue()
    share = (messages // WORKERS, gate, paces)
    workers = [_SPAWN.Process(target=_compute_share, args=share) for _ in range(WORKERS)]
    for worker in workers:
        worker.start()
    found = [paces.get() for _ in workers]
    for worker in workers:
        worker.join()
    return 1 / sum(1 / pace for pace in found)


def executor_map(messages: int) -> float:
    """Seconds per message of the standard library's pool, 256 per hop."""
    with ProcessPoolExecutor(WORKERS, mp_context=_SPAWN) as pool:
        list(pool.map(double, range(WARM_CHUNKED), chunksize=256))
        return per_message(
            messages, lambda: len(list(pool.map(double, range(messages), chunksize=256)))
        )


def _serve(above: "Queue[int | None]", below: "Queue[int | None]") -> None:
    while (number := above.get()) is not None:
        below.put(double(number))
    below.put(None)


def _over_queues(count: int) -> Iterator[int]:
    above: Queue[int | None] = _SPAWN.Queue(CAPACITY)
    below: Queue[int | None] = _SPAWN.Queue(CAPACITY)
    workers = [_SPAWN.Process(target=_serve, args=(above, below)) for _ in range(WORKERS)]

    def feed() -> None:
        for number in range(count):
            above.put(number)
        for _ in workers:
            above.put(None)

    feeder = Thread(target=feed)
    for worker in workers:
        worker.start()
    feeder.start()
    ends = 0
    while ends < WORKERS:
        number = below.get()
        if number is None:
            ends += 1
        else:
            yield number
    feeder.join()
    for worker in workers:
        worker.join()


def bare_queues(messages: int) -> float:
    """Seconds per message of `multiprocessing.Queue`, one per hop."""
    return steady(messages, _over_queues)
