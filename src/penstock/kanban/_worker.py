"""The program that a worker process runs: `python -m penstock.kanban._worker`."""

import json
import os
import signal
import sys
from pathlib import Path

from penstock.base import Failpoints, PenstockError
from penstock.kanban._built_in import find_class
from penstock.kanban._load import Board, snapshot_board
from penstock.kanban._loop import FilterLoop
from penstock.kanban._places import Places
from penstock.kanban._seat import Seat
from penstock.kanban._tally import Tally
from penstock.kanban._token import Priority
from penstock.kanban._watch import Watch
from penstock.telemetry import get_logger, setup_logs


class _Stop:
    """Set by SIGTERM: the token in hand is finished, then the worker ends."""

    def __init__(self, wake_fd: int) -> None:
        self.asked = False
        self._wake_fd = wake_fd

    def __call__(self, *_: object) -> None:
        self.asked = True
        os.write(self._wake_fd, b"x")


def main() -> int:
    """Work until SIGTERM on what the file named first says, under the name given second."""
    order = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    with setup_logs(level="info"):
        log = get_logger(f"penstock.kanban.{order['filter']}")
        try:
            file = Path(order["file"])
            board = snapshot_board(order["text"], file, os.environ)
            points = Failpoints.parse(os.environ.get("PENSTOCK_FAILPOINTS", ""))
            work(board, order["filter"], sys.argv[2], points)
        except PenstockError as error:
            log.error("the worker ends", reason=str(error))  # noqa: TRY400 - it says all by itself
            return 1
    return 0


def work(board: Board, name: str, worker: str, failpoints: Failpoints) -> None:
    """Sit down at the filter's bucket and work."""
    config = board.filter(name)
    if config is None:
        raise LookupError(f"the order names {name!r}, which its own configuration lacks")
    bucket, into = board.bucket(config.input_pipe), board.bucket(config.output_pipe)
    bucket.failpoints = failpoints
    watch = watch_of(bucket.places)
    stop = _Stop(watch.wake_fd)
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the orchestrator says when
    filter_ = find_class(config.class_, board.root)(
        board.context(config, asked_to_stop=lambda: stop.asked, failpoints=failpoints)
    )
    with Seat(bucket, worker, into=into, stage=name) as seat:
        log = get_logger(f"penstock.kanban.{name}")
        tally = Tally(board.tally(worker))
        loop = FilterLoop(
            filter_, seat, retry=config.retry, timeout=config.timeout, log=log, tally=tally
        )
        loop.run(watch)
        tally.close()
    watch.close()


def watch_of(places: Places) -> Watch:
    """Wakes when a token comes, or when the directory of a dead worker becomes a shelf."""
    lanes = (shelf for priority in Priority for shelf in places.shelves(priority))
    return Watch([*lanes, places.delayed], leaving=[places.claimed])


if __name__ == "__main__":
    sys.exit(main())
