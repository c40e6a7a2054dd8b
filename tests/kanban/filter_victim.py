"""A worker that does all the work there is at the first filter of a board: what the kill server forks."""

import json
import os
from pathlib import Path

from penstock.base import Failpoints
from penstock.kanban import Seat, recover
from penstock.kanban._built_in import find_class
from penstock.kanban._load import load_board
from penstock.kanban._loop import FilterLoop
from penstock.telemetry import get_logger


def work(root: Path, failpoints: Failpoints) -> None:
    """Take back what the dead held, work until nothing is left, and say which points were crossed."""
    board = load_board(root / "penstock.kanban.yaml", os.environ)
    config = board.config.filters[0]
    bucket, into = (board.bucket(pipe) for pipe in (config.input_pipe, config.output_pipe))
    bucket.failpoints = failpoints
    recover(bucket)
    kind = find_class(config.class_, board.root)
    filter_ = kind(board.context(config, failpoints=failpoints))
    with Seat(bucket, f"w{os.getpid()}", into=into, stage=config.name) as seat:
        loop = FilterLoop(filter_, seat, retry=config.retry, timeout=None, log=get_logger("victim"))
        while loop.turn():
            pass
    (root / "crossings.json").write_text(json.dumps(dict(failpoints.crossings)))
