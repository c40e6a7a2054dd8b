"""The pool of pebble: a map of chunks, and workers that are replaced."""

import os
import signal
import time
from multiprocessing import get_context

from pebble import ProcessExpired, ProcessPool

from benchmarks.flow_work import WARM_CHUNKED, WORKERS, double, per_message


def process_chunks(messages: int) -> float:
    """Seconds per message, warm."""
    with ProcessPool(WORKERS, context=get_context("spawn")) as pool:
        list(pool.map(double, range(WARM_CHUNKED), chunksize=256).result())
        return per_message(
            messages, lambda: len(list(pool.map(double, range(messages), chunksize=256).result()))
        )


def missed(rounds: int) -> list[float]:
    """Seconds from each kill of the only worker, at work, to the next answer."""
    found = []
    with ProcessPool(1, context=get_context("spawn")) as pool:
        for _ in range(rounds):
            pid = pool.schedule(os.getpid).result()
            # It takes the death of an idle worker for that of the whole pool.
            lost = pool.schedule(time.sleep, args=[60])
            while not lost.running():
                time.sleep(0.001)
            started = time.perf_counter()
            os.kill(pid, signal.SIGKILL)
            while _asked(pool) in (pid, None):
                pass
            found.append(time.perf_counter() - started)
    return found


def _asked(pool: ProcessPool) -> int | None:
    try:
        return int(pool.schedule(os.getpid).result())
    except ProcessExpired:
        return None
