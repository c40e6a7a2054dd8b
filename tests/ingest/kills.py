"""Kills a pipeline again and again, and looks at what it left. Any pipeline can be plugged in."""

import gzip
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from penstock.ingest._layout import acknowledged_key, live_lane, plan_key, seal_key
from penstock.ingest._seal import Seal
from penstock.storage import LocalStore, NotFoundError
from penstock.table import DeltaLakeTable, is_void

POINTS = (
    "plan.before",
    "plan.written",
    "output.written",
    "seal.before",
    "seal.written",
    "commit.before",
    "commit.after",
    "ack.before",
    "ack.after",
)


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


def make_source(root: Path, random: Random, files: int) -> Expected:
    """Gzipped NDJSON with bad lines, several members, and one file that is cut off."""
    expected = Expected()
    (root / "source").mkdir(parents=True)
    names = [f"{number:03}-{random.randint(0, 999):03}.ndjson.gz" for number in range(files)]
    random.shuffle(names)
    for number, name in enumerate(names):
        lines = [json.dumps({"id": line}).encode() + b"\n" for line in range(random.randint(0, 60))]
        bad = {line for line in range(len(lines)) if random.random() < 0.02}
        lines = [b"{not json\n" if line in bad else text for line, text in enumerate(lines)]
        middle = random.randint(0, len(lines))
        data = gzip.compress(b"".join(lines[:middle])) + gzip.compress(b"".join(lines[middle:]))
        if number == 1:
            data = data[: -len(data) // 3]
            expected.letters[name, 0] += 1
        else:
            for line in range(len(lines)):
                (expected.letters if line in bad else expected.rows)[name, line + 1] += 1
        (root / "source" / name).write_bytes(data)
    return expected


def stored(root: Path, pipeline: str) -> Expected:
    """What is in the table, and in the dead letters that a seal names."""
    table, store = DeltaLakeTable(str(root / "table")), LocalStore(root / "table")
    found = Expected()
    rows = table.rows(["file", "line"])
    found.rows.update(zip(*(rows.column(c).to_pylist() for c in ("file", "line")), strict=True))
    snapshot, seq = table.snapshot(), 1
    while store.head(plan_key(pipeline, seq)):
        key = seal_key(pipeline, seq)
        seal = Seal.decode(store.get(key), place=key)
        if seal.dead_letters and not is_void(snapshot, live_lane(pipeline), seq):
            for line in LocalStore(root / "dead").get(seal.dead_letters.name).splitlines():
                letter = json.loads(line)
                found.letters[letter["file"], letter["line"]] += 1
        seq += 1
    return found


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


@dataclass
class Campaign:
    """A number of kills over as many fresh tables as they need."""

    server: KillServer
    target: str
    pipeline: str
    folder: Path
    seed: int
    files: int = 40
    files_per_plan: int = 2
    kills: Counter[str] = field(default_factory=Counter)
    """Counted by named point; those that a random crossing gave stand under `random`."""
    not_counted: int = 0
    """Kills that came when no work was open any more."""

    def run(self, orders: Sequence[str], check: Callable[[Expected, Expected], None]) -> None:
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
            expected = make_source(root, random, self.files)
            self._kill(root, waiting, random)
            status = self.server.run(self.target, root, "", 0, 0.0)
            assert status == 0, f"seed {self.seed}: the program failed by itself ({status})"
            check(stored(root, self.pipeline), expected)
        raise AssertionError(f"seed {self.seed}: work ended before {len(waiting)} of its kills")

    def _kill(self, root: Path, waiting: list[str], random: Random) -> None:
        plans = -(-self.files // self.files_per_plan)
        while waiting and acknowledged(root, self.pipeline) < plans:
            point = waiting[-1]
            number = random.randint(1, 14) if point == "*" else random.randint(1, 2)
            delay = random.choice((0.0, random.uniform(0.0, 0.02)))
            status = self.server.run(self.target, root, point, number, delay)
            if status == 0:
                return
            killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
            assert killed, f"seed {self.seed}: the program failed by itself ({status})"
            if acknowledged(root, self.pipeline) < plans:
                self.kills["random" if point == "*" else point] += 1
                waiting.pop()
            else:
                self.not_counted += 1
