"""The executor of loky: a map of chunks, and a new executor where a worker has died."""

import os
import signal
import time

from loky import get_reusable_executor
from loky.process_executor import TerminatedWorkerError

from benchmarks.flow_work import WARM_CHUNKED, WORKERS, double, per_message


def process_chunks(messages: int) -> float:
    """Seconds per message, warm."""
    executor = get_reusable_executor(max_workers=WORKERS)
    list(executor.map(double, range(WARM_CHUNKED), chunksize=256))
    return per_message(
        messages, lambda: len(list(executor.map(double, range(messages), chunksize=256)))
    )


def missed(rounds: int) -> list[float]:
    """Seconds from each kill of the only worker to the next answer; the executor is broken by it."""
    found = []
    for _ in range(rounds):
        pid = get_reusable_executor(max_workers=1).submit(os.getpid).result()
        started = time.perf_counter()
        os.kill(pid, signal.SIGKILL)
        while _asked() in (pid, None):
            pass
        found.append(time.perf_counter() - started)
    get_reusable_executor(max_workers=1).shutdown(wait=True)
    return found


def _asked() -> int | None:
    try:
        return int(get_reusable_executor(max_workers=1).submit(os.getpid).result())
    except TerminatedWorkerError:
        return None
