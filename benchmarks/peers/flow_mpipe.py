"""A stage of mpipe with two processes; its queues are unbounded."""

from collections.abc import Iterator
from threading import Thread

from mpipe import OrderedStage, Pipeline

from benchmarks.flow_work import WORKERS, double, steady


def _results(count: int) -> Iterator[int]:
    pipeline = Pipeline(OrderedStage(double, WORKERS))

    def feed() -> None:
        for number in range(count):
            pipeline.put(number)
        pipeline.put(None)

    feeder = Thread(target=feed)
    feeder.start()
    yield from pipeline.results()
    feeder.join()


def process_single(messages: int) -> float:
    """Seconds per message, in a steady state."""
    return steady(messages, _results)
