"""Kills a program again and again, and looks at what it left. Any program can be plugged in."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from penstock.ingest._layout import acknowledged_key, live_lane
from penstock.storage import LocalStore, NotFoundError


class KillServer:
    """A clean process that forks the victims."""

    def __init__(self, module: str) -> None:
        here = Path(__file__).parent
        paths = [str(here), *filter(None, sys.path)]
        self._process = subprocess.Popen(
            [sys.executable, str(here / "kill_server.py"), module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        )
        self._answer()

    def run(self, target: str, root: Path, point: str, number: int, delay: float) -> int:
        """Run the target until it dies or ends; returns the wait status."""
        order = {"target": target, "root": str(root), "point": point, "number": number}
        print(json.dumps({**order, "delay": delay}), file=self._process.stdin, flush=True)
        return int(self._answer())

    def close(self) -> None:
        """End the server."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def _answer(self) -> str:
        assert self._process.stdout
        answer = self._process.stdout.readline()
        assert answer, "the kill server died"
        return answer.strip()


@dataclass
class Expected:
    """What must be in the table and in the dead letters, however often the pipeline died."""

    rows: Counter[tuple[str, int]] = field(default_factory=Counter)
    letters: Counter[tuple[str, int]] = field(default_factory=Counter)


def exactly_once(found: Expected, expected: Expected) -> None:
    """The multisets of rows and of dead letters are the expected ones."""
    for kind, have, want in (
        ("row", found.rows, expected.rows),
        ("dead letter", found.letters, expected.letters),
    ):
        lost, more = want - have, have - want
        assert not lost, f"{kind}s lost: {lost.total()}, such as {next(iter(lost))}"
        assert not more, f"{kind}s doubled or invented: {more.total()}, such as {next(iter(more))}"


def acknowledged(root: Path, pipeline: str) -> int:
    """How many plans are done with."""
    key = acknowledged_key(pipeline, live_lane(pipeline))
    try:
        return int(json.loads(LocalStore(root / "table").get(key))["seq"])
    except NotFoundError:
        return 0


@dataclass(frozen=True)
class Victim:
    """A program to kill, and how to look at what it left."""

    target: str
    """`module:function`, called with a directory and with failpoints."""
    pipeline: str
    """The key of its only pipeline, over `table` in the directory."""
    points: Mapping[str, int]
    """Its failpoints, with the crossings among which the fatal one is chosen."""
    files_per_plan: int
    prepare: Callable[[Path, Random, int], Expected]
    """Puts so many source files into a directory."""
    stored: Callable[[Path], Expected]
    """What is in the table and in the dead letters."""


@dataclass
class Campaign:
    """A number of kills over as many fresh tables as they need."""

    server: KillServer
    victim: Victim
    folder: Path
    seed: int
    files: int = 40
    kills: Counter[str] = field(default_factory=Counter)
    """By named point; those at a random crossing stand under `random`."""
    not_counted: int = 0
    """Kills that came when no work was open any more."""
    files_made: int = 0
    """Source files of all tables."""

    def run(self, orders: Sequence[str]) -> None:
        """Kill once at each point of `orders` (`*` is any crossing), then finish and check.

        Raises:
            AssertionError: A row or a letter is lost or doubled, or a program failed by itself.
        """
        random = Random(self.seed)
        waiting = list(orders)
        random.shuffle(waiting)
        for round_ in range(1 + len(orders)):
            if not waiting:
                return
            root = self.folder / str(round_)
            expected = self.victim.prepare(root, random, self.files)
            self.files_made += self.files
            self._kill(root, waiting, random)
            status = self.server.run(self.victim.target, root, "", 0, 0.0)
            assert status == 0, f"seed {self.seed}: the program failed by itself ({status})"
            exactly_once(self.victim.stored(root), expected)
            shutil.rmtree(root)
        raise AssertionError(f"seed {self.seed}: work ended before {len(waiting)} of its kills")

    def _kill(self, root: Path, waiting: list[str], random: Random) -> None:
        while waiting and self._work_is_open(root):
            point = waiting[-1]
            number = random.randint(1, 14 if point == "*" else self.victim.points[point])
            delay = random.choice((0.0, random.uniform(0.0, 0.02)))
            status = self.server.run(self.victim.target, root, point, number, delay)
            if status == 0:
                return
            killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
            assert killed, f"seed {self.seed}: the program failed by itself ({status})"
            if self._work_is_open(root):
                self.kills["random" if point == "*" else point] += 1
                waiting.pop()
            else:
                self.not_counted += 1

    def _work_is_open(self, root: Path) -> bool:
        plans = -(-self.files // self.victim.files_per_plan)
        return acknowledged(root, self.victim.pipeline) < plans
