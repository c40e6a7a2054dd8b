"""Forks programs that are to be killed: imports are paid once, and nothing here has a thread.

Reads one JSON object a line: `target` (module:function), `root`, `point`, `number`, `delay` in seconds.
Answers with the wait status of the child. The child arms a SIGKILL, `delay` after the crossing.
"""

import importlib
import json
import os
import signal
import sys
import threading
import traceback
from pathlib import Path

from penstock.base import Failpoints


def _arm(point: str, number: int, delay: float) -> Failpoints:
    def kill(_: str | None = None) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def kill_later(_: str) -> None:
        timer = threading.Timer(delay, kill)
        timer.daemon = True
        timer.start()

    return Failpoints({(point, number): kill_later if delay else kill} if point else {})


def _child(order: dict) -> None:
    try:
        module, _, name = order["target"].partition(":")
        failpoints = _arm(order["point"], order["number"], order["delay"])
        getattr(importlib.import_module(module), name)(Path(order["root"]), failpoints)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def main() -> None:
    importlib.import_module(sys.argv[1])
    print("ready", flush=True)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _child(json.loads(line))
        _, status = os.waitpid(child, 0)
        print(status, flush=True)


if __name__ == "__main__":
    main()
