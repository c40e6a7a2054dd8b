"""Three stages of Bytewax in one worker; it takes plain functions only."""

from functools import partial

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.testing import TestingSink, TestingSource, run_main

from benchmarks.flow_work import add_one, per_message


def _three_stages(messages: int, batch: int) -> int:
    out: list[int] = []
    dataflow = Dataflow("bench")
    made = op.input("source", dataflow, TestingSource(range(messages), batch_size=batch))
    for number in range(3):
        made = op.map(f"stage-{number}", made, add_one)
    op.output("sink", made, TestingSink(out))
    run_main(dataflow)  # type: ignore[no-untyped-call] # compiled
    return len(out)


def three_async(messages: int) -> float:
    """Seconds per message."""
    return per_message(messages, partial(_three_stages, messages, 1))


def three_batched(messages: int) -> float:
    """Seconds per message, 64 at a time."""
    return per_message(messages, partial(_three_stages, messages, 64))
