"""What the stages of the flow's benchmarks do, ours and those of the peers, and how they are timed."""

import time
from collections.abc import Callable, Iterable

CAPACITY = 1024
WORKERS = 2
WARM = 8192
WARM_CHUNKED = 262_144
"""A fifth of a second in chunks: the second worker, which starts beside the first one's work, has done so."""


def add_one(number: int) -> int:
    """The least work there is."""
    return number + 1


async def add_one_async(number: int) -> int:
    """The same as a coroutine."""
    return number + 1


def double(number: int) -> int:
    """What processes do where the hop is measured."""
    return number * 2


def compute(number: int) -> int:
    """Some milliseconds of plain Python."""
    for step in range(50_000):
        number = (number * 31 + step) & 0xFFFFFFFF
    return number


def per_message(messages: int, run: Callable[[], int]) -> float:
    """Seconds per message of `run`, which says how many it has delivered."""
    started = time.perf_counter()
    delivered = run()
    spent = time.perf_counter() - started
    assert delivered == messages, f"{delivered} of {messages} came out"
    return spent / messages


def steady(messages: int, results: Callable[[int], Iterable[object]], warm: int = WARM) -> float:
    """Seconds per message once `warm` results are there: the workers have started by then."""
    started, seen = 0.0, 0
    for seen, _ in enumerate(results(messages + warm), start=1):
        if seen == warm:
            started = time.perf_counter()
    spent = time.perf_counter() - started
    assert seen == messages + warm, f"{seen} of {messages + warm} came out"
    return spent / messages
