"""Three stages in threads, and the threads with bare queues that one would write instead."""

import queue
import threading
from itertools import pairwise

from benchmarks.flow_work import CAPACITY, add_one, per_message
from penstock import Flow, stage


@stage(pool="thread")
def add_one_thread(number: int) -> int:
    """One stage in a thread, a message per call."""
    return number + 1


@stage(pool="thread", batch=64)
def add_one_batched(numbers: list[int]) -> list[int]:
    """The same, a batch per call."""
    return [number + 1 for number in numbers]


def _bare(messages: int) -> int:
    queues: list[queue.Queue[int | None]] = [queue.Queue(CAPACITY) for _ in range(4)]
    out: list[int] = []

    def source() -> None:
        for number in range(messages):
            queues[0].put(number)
        queues[0].put(None)

    def worker(above: "queue.Queue[int | None]", below: "queue.Queue[int | None]") -> None:
        while (number := above.get()) is not None:
            below.put(add_one(number))
        below.put(None)

    threads = [threading.Thread(target=source)]
    threads += [threading.Thread(target=worker, args=pair) for pair in pairwise(queues)]
    for thread in threads:
        thread.start()
    while (number := queues[3].get()) is not None:
        out.append(number)
    for thread in threads:
        thread.join()
    return len(out)


def bare_queues(messages: int) -> float:
    """Seconds per message of `queue.Queue`."""
    return per_message(messages, lambda: _bare(messages))


def _three_stages(messages: int) -> int:
    out: list[int] = []
    one = add_one_thread
    flow = Flow("bench", capacity=CAPACITY) | range(messages) | one | one | one | out.append
    return len(out) if flow.run().acked == messages else 0


def three_threads(messages: int) -> float:
    """Seconds per message, a message per call."""
    return per_message(messages, lambda: _three_stages(messages))


def _three_batched(messages: int) -> int:
    out: list[int] = []
    one = add_one_batched
    source = Flow("bench", capacity=CAPACITY) | range(messages)
    flow = source | one | one | one | stage(batch=64)(out.extend)
    return len(out) if flow.run().acked == messages else 0


def three_batched(messages: int) -> float:
    """Seconds per message, 64 messages per call."""
    return per_message(messages, lambda: _three_batched(messages))
