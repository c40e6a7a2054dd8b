"""Runs a board as its users do, and kills its processes again and again."""

import hashlib
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

from penstock.kanban import Operator

MODULE = '''
import hashlib, os, select
from pathlib import Path
from penstock.kanban import Filter, PermanentError, DataRef
from penstock.kanban._data import part_of, publish

def content(token):
    return hashlib.sha256(token.id.encode()).hexdigest().encode() * 50

class Stage(Filter):
    """Notes every attempt, and its side effect once: it declares itself idempotent by name."""
    def process(self, token):
        root, name = self.context.root, self.context.name
        select.select([], [], [], 0.006)
        effect = root / "effects" / name / token.id
        try:
            os.close(os.open(effect, os.O_CREAT | os.O_EXCL))
            with (root / "effects" / f"{name}.log").open("a") as log:
                log.write(token.id + "\\n")
        except FileExistsError:
            pass
        return self.data(token)

class Make(Stage):
    def data(self, token):
        if int(token.id) % 100 == 7:
            raise PermanentError("a page is missing")
        path = self.context.processing(token) / f"{token.id}.raw"
        part_of(path).write_bytes(content(token))
        publish(part_of(path), path)
        return token.with_data(DataRef(path.name, path.stat().st_size))

class Turn(Stage):
    def data(self, token):
        raw = self.context.processing(token) / f"{token.id}.raw"
        path = raw.with_suffix(".turned")
        if raw.exists():
            assert raw.read_bytes() == content(token)
            part_of(path).write_bytes(raw.read_bytes()[::-1])
            publish(part_of(path), path)
            raw.unlink()
        return token.with_data(DataRef(path.name, path.stat().st_size))
'''

CONFIG = """
global: {sync: false, processing_bucket: processing, done_bucket: done}
filters:
  - {name: make, class: "stages:Make", input_pipe: p/0, output_pipe: p/1, workers: 2}
  - {name: turn, class: "stages:Turn", input_pipe: p/1, output_pipe: p/2, workers: 2, wip_limit: 200}
  - {name: store, class: Archiver, input_pipe: p/2, output_pipe: p/3}
"""


@dataclass
class Killing:
    """A board of so many tokens, run until it is idle however often it dies."""

    root: Path
    tokens: int
    seed: int
    kills: Counter[str] = field(default_factory=Counter)

    def prepare(self) -> None:
        """Write the board and its sample."""
        (self.root / "stages.py").write_text(MODULE)
        (self.root / "penstock.kanban.yaml").write_text(CONFIG)
        (self.root / "sample").write_text("\n".join(map(str, range(self.tokens))))
        for name in ("make", "turn"):
            (self.root / "effects" / name).mkdir(parents=True)

    def run(self, kills: int) -> None:
        """Kill that often while work is open, one in eight times the orchestrator; then let it end.

        Some work is done between two kills, however slow the machine is.
        """
        chance, never = random.Random(self.seed), Event()
        process, worked = self._start(), 0
        try:
            while self.kills.total() < kills:
                never.wait(chance.uniform(0.05, 0.2))
                assert process.poll() is None, f"seed {self.seed}: work ended before its kills"
                victim = self._victim(process, chance)
                if victim is None or self._worked() == worked:
                    continue
                worked = self._worked()
                os.kill(victim, signal.SIGKILL)
                if victim == process.pid:
                    process.wait()
                    self.kills["orchestrator"] += 1
                    process = self._start()
                else:
                    self.kills["filter"] += 1
            assert process.wait(timeout=900) == 1, "there are errors, hence code 1"
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()

    def _worked(self) -> int:
        """Grows with every token that is worked on."""
        logs = (self.root / "effects" / f"{name}.log" for name in ("make", "turn"))
        return sum(log.stat().st_size for log in logs if log.exists())

    def _victim(self, process: "subprocess.Popen[bytes]", chance: random.Random) -> int | None:
        """A process that works: the orchestrator once it has workers, or a worker that sits."""
        workers = [pid for pid in children(process.pid) if self._sits(pid)]
        if not workers:
            return None
        return process.pid if chance.random() < 0.125 else chance.choice(workers)

    def _sits(self, pid: int) -> bool:
        try:
            opened = [str(fd.readlink()) for fd in Path(f"/proc/{pid}/fd").iterdir()]
        except OSError:
            return False
        return any(name.endswith("/alive") for name in opened)

    def _start(self) -> "subprocess.Popen[bytes]":
        program = str(Path(sys.executable).with_name("penstock"))
        command = [program, "kanban", "run", "--until-idle"]
        command += ["--sample-file", "sample", "--log-level", "error"]
        with (self.root / "board.log").open("ab") as log:
            return subprocess.Popen(command, cwd=self.root, stdout=log, stderr=log)

    def check(self) -> None:
        """Every token ended once; no data file is lost, half-written or left over; no effect came twice."""
        operator = Operator(self.root / "penstock.kanban.yaml", os.environ)
        places = Counter(token.id for _, _, token in operator.tokens())
        assert set(places.values()) == {1}
        assert set(places) == {str(n) for n in range(self.tokens)}
        done = {token.id for pipe, _, token in operator.tokens("p/3", "waiting")}
        failed = {token.id: token.reason for _, _, token in operator.tokens(part="errors")}
        assert set(failed) == {str(n) for n in range(self.tokens) if n % 100 == 7}, failed
        assert done | set(failed) == set(places)
        for identity in done:
            expected = hashlib.sha256(identity.encode()).hexdigest().encode() * 50
            assert (self.root / "done" / f"{identity}.turned").read_bytes() == expected[::-1]
        left = [
            path.name for path in (self.root / "processing").iterdir() if path.suffix != ".part"
        ]
        assert left == []
        for name in ("make", "turn"):
            lines = (self.root / "effects" / f"{name}.log").read_text().split()
            assert max(Counter(lines).values()) == 1
        ledger = operator.ledger().counts()
        assert ledger == {"completed": len(done), "failed": len(failed)}


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    try:
        return [int(n) for n in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []
