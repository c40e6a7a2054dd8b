"""Stages of pypeln: three threads, or two processes."""

import pypeln as pl

from benchmarks.flow_work import CAPACITY, WORKERS, add_one, double, per_message, steady


def three_threads(messages: int) -> float:
    """Seconds per message."""
    made = range(messages)
    for _ in range(3):
        made = pl.thread.map(add_one, made, workers=1, maxsize=CAPACITY)
    return per_message(messages, lambda: sum(1 for _ in made))


def process_single(messages: int) -> float:
    """Seconds per message, in a steady state."""
    return steady(
        messages,
        lambda count: pl.process.map(double, range(count), workers=WORKERS, maxsize=CAPACITY),
    )
