"""Payloads of 8 MiB to a process and back, against what no way can do without, and against a pipe."""

import time
from collections.abc import Iterator
from multiprocessing import get_context
from multiprocessing.connection import Connection

import numpy as np
import numpy.typing as npt

from benchmarks.flow_processes import measured
from benchmarks.flow_work import steady
from penstock import stage

Array = npt.NDArray[np.uint8]
SIZE = 8 << 20
_WARM = 4
_SPAWN = get_context("spawn")


@stage(pool="process", workers=1, chunk=1)
def echo(payload: Array) -> Array:
    """There and back."""
    return payload


def _payloads(count: int) -> Iterator[Array]:
    payload = np.arange(SIZE, dtype=np.uint8)
    return (payload for _ in range(count))


def through_a_stage(messages: int) -> float:
    """Seconds per message of a stage with one process."""
    return measured(echo, _payloads(messages + _WARM), messages, _WARM)


def copied(messages: int) -> float:
    """Seconds per message of two copies, each into memory of its own, as whoever receives one has it."""
    payload = np.arange(SIZE, dtype=np.uint8)
    started = time.perf_counter()
    for _ in range(messages):
        payload.copy().copy()
    return (time.perf_counter() - started) / messages


def _serve(end: Connection) -> None:
    while (payload := end.recv()) is not None:
        end.send(payload)


def _through_a_pipe(count: int) -> Iterator[Array]:
    ours, theirs = _SPAWN.Pipe()
    worker = _SPAWN.Process(target=_serve, args=(theirs,))
    worker.start()
    for payload in _payloads(count):
        ours.send(payload)
        yield ours.recv()
    ours.send(None)
    worker.join()
    ours.close()
    theirs.close()


def pickled(messages: int) -> float:
    """Seconds per message, pickled over a pipe."""
    return steady(messages, _through_a_pipe, _WARM)
