"""A flow with a checkpoint is killed again and again: nothing is lost, and little comes twice."""

import itertools
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from penstock.flow import Checkpoint
from tests.flow.resumed_flow import ACKS, CAPACITY

ROOT = Path(__file__).parents[2]
POINTS = [
    f"checkpoint.{point}@{number}=kill"
    for point in ("begin", "half", "synced", "renamed", "durable", "end")
    for number in (1, 2)
]
# Two channels, four workers and the pump hold what is in flight; the source waits at twice the acks.
MOST_REPEATED = 2 * ACKS + 3 * CAPACITY + 4


class Killed:
    """Input, output and state of a flow that is killed; what each run delivered is held against the state."""

    def __init__(self, folder: Path, kind: str, lines: int) -> None:
        self.folder, self.kind = folder, kind
        (folder / "in").mkdir()
        self.lines = [f"line-{number:06}" for number in range(lines)]
        middle = len(self.lines) // 3
        (folder / "in" / "a.txt").write_text("".join(f"{line}\n" for line in self.lines[:middle]))
        (folder / "in" / "b.txt").write_text("".join(f"{line}\n" for line in self.lines[middle:]))
        self.kills = 0

    def run(self, failpoints: str, kill_at: int, seed: int, after: float | None = None) -> bool:
        """Run until the end or the kill; whether it came to its end."""
        settled, before = self.settled(), len(self.delivered())
        command = [sys.executable, "-m", "tests.flow.resumed_flow", str(self.folder), self.kind]
        command += [failpoints, str(kill_at), str(seed)]
        with subprocess.Popen(command, cwd=ROOT) as child:
            if after is not None:
                try:
                    child.wait(after)
                except subprocess.TimeoutExpired:
                    child.kill()
        assert child.returncode in {0, -signal.SIGKILL}
        self.kills += child.returncode != 0
        again = settled.intersection(self.delivered()[before:])
        assert not again, f"settled by the state, and delivered again: {sorted(again)[:5]}"
        return child.returncode == 0

    def delivered(self) -> list[str]:
        out = self.folder / "out"
        return out.read_text().split() if out.exists() else []

    def settled(self) -> set[str]:
        """The lines that the state on disk says are settled."""
        if not (self.folder / "state").exists():
            return set()
        state = Checkpoint(self.folder / "state").newest()
        if state is None:
            return set()
        lanes = {name: lane.settled() for name, lane in state.lanes.items()}
        if self.kind == "lines":
            found = set()
            for path in (self.folder / "in").iterdir():
                lane, end = lanes.get(str(path)), 0
                for line in path.read_text().splitlines():
                    end += len(line) + 1
                    if lane is not None and end in lane:
                        found.add(line)
            return found
        lane = lanes["items"]
        return {
            line
            for number, line in enumerate(self.lines, start=1)
            if (number if self.kind == "number" else line) in lane
        }

    def finish(self, seed: int) -> None:
        """Run to the end, and look at the whole."""
        while not self.run("", 0, seed):
            pass
        counted = Counter(self.delivered())
        assert set(counted) == set(self.lines)
        repeats = counted.total() - len(self.lines)
        assert repeats <= self.kills * MOST_REPEATED
        assert self.settled() == set(self.lines)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["lines", "number", "cursor"])
def test_no_message_is_lost_however_often_the_flow_is_killed(
    tmp_path: Path, kind: str, record_property: Callable[[str, object], None]
) -> None:
    """At each step of writing a checkpoint, and at random messages: 7 kills each, 21 in all."""
    chance = random.Random(f"{kind} 1")
    killed = Killed(tmp_path, kind, 1500)

    for point in chance.sample(POINTS, 4):
        killed.run(point, 0, chance.randrange(1 << 30))
    while killed.kills < 7:
        killed.run("", chance.randint(1, 150), chance.randrange(1 << 30))

    killed.finish(7)
    record_property("kills", killed.kills)


@pytest.mark.soak
@pytest.mark.parametrize("kind", ["lines", "number", "cursor"])
def test_no_message_is_lost_in_a_thousand_kills_of_a_flow(
    tmp_path: Path, kind: str, record_property: Callable[[str, object], None]
) -> None:
    """At every step of writing a checkpoint, at random messages, and at random times."""
    chance = random.Random(kind)
    kills = flows = 0

    while kills < 334:
        folder = tmp_path / str(flows)
        folder.mkdir()
        killed = Killed(folder, kind, 6_000)
        kill_until_it_ends(killed, chance)
        killed.finish(7)
        kills, flows = kills + killed.kills, flows + 1

    record_property("kills", kills)
    record_property("flows", flows)


def kill_until_it_ends(killed: Killed, chance: random.Random) -> None:
    """Kill each run in one of three ways, until one is quicker than its kill."""
    for turn in itertools.count():
        seed, kill_at = chance.randrange(1 << 30), chance.randint(1, 300)
        points, after = "", None
        if turn % 3 == 0:
            points = chance.choice(POINTS)
        elif turn % 3 == 1:
            kill_at, after = 0, chance.uniform(0.2, 0.6)
        if killed.run(points, kill_at, seed, after):
            return
