"""A map of joblib over two processes."""

from joblib import Parallel, delayed

from benchmarks.flow_work import WORKERS, compute, per_message


def cpu_map(messages: int) -> float:
    """Seconds per message, warm."""
    with Parallel(n_jobs=WORKERS) as parallel:
        parallel(delayed(compute)(number) for number in range(2 * WORKERS))
        return per_message(
            messages,
            lambda: len(parallel(delayed(compute)(number) for number in range(messages))),
        )
