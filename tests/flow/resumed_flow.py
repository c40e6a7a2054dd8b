"""A program that runs a flow with a checkpoint, and may be killed anywhere.

`python -m tests.flow.resumed_flow FOLDER KIND FAILPOINTS KILL_AT SEED`: each delivered line is
appended to FOLDER/out before it is settled, and the process kills itself at the KILL_AT-th.
"""

import asyncio
import os
import random
import signal
import sys
from pathlib import Path

from penstock import Flow, stage
from penstock.base import Failpoints
from penstock.flow import Checkpoint, read_lines, resumable

ACKS = 20
CAPACITY = 16


def source_of(kind: str, folder: Path) -> object:
    if kind == "lines":
        return read_lines(folder / "in" / "*.txt")
    names = sorted((folder / "in").iterdir())
    lines = [line for name in names for line in name.read_text().splitlines()]
    if kind == "number":
        return lines
    return resumable(
        lambda after: (line for line in lines if after is None or line > after),
        cursor=lambda line: line,
    )


def main(folder: Path, kind: str, failpoints: str, kill_at: int, seed: int) -> None:
    chance = random.Random(seed)
    delivered = 0

    @stage(workers=4)
    async def shuffle(line: str) -> str:
        for _ in range(chance.randrange(6)):
            await asyncio.sleep(0)
        return line

    with (folder / "out").open("ab", buffering=0) as out:

        async def deliver(line: str) -> None:
            nonlocal delivered
            out.write(f"{line}\n".encode())
            delivered += 1
            if delivered == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

        checkpoint = Checkpoint(
            folder / "state", every="20ms", acks=ACKS, failpoints=Failpoints.parse(failpoints)
        )
        flow = Flow("resumed", checkpoint=checkpoint, capacity=CAPACITY)
        (flow | source_of(kind, folder) | shuffle | deliver).run()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
