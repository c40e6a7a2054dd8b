"""Kills one filter at every crossing of every failpoint, and compares what came of it with an unkilled run."""

import hashlib
import json
import os
import shutil
import signal
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from penstock.kanban import Operator, Token
from tests.ingest.kills import KillServer

TARGET = "tests.kanban.filter_victim:work"


@dataclass
class FilterCase:
    """A board of one filter, and what lies before it."""

    kind: str
    args: Mapping[str, Any]
    fill: Callable[[Path], list[Token]]
    """Makes the files below the root that is given, and the tokens that wait."""
    points: set[str]
    """The filter's own failpoints, all of which must be crossed."""
    settings: Mapping[str, Any] = field(default_factory=dict)

    def prepare(self, root: Path) -> None:
        """Make the board afresh."""
        for folder in ("work", "done"):
            (root / folder).mkdir(parents=True)
        settings = {"sync": False, "processing_bucket": "work", "done_bucket": "done"}
        filter_ = {
            "name": "it", "class": self.kind, "args": dict(self.args),
            "input_pipe": "p/0", "output_pipe": "p/1",
        }  # fmt: skip
        config = {"global": {**settings, **self.settings}, "filters": [filter_]}
        tokens = self.fill(root)
        (root / "penstock.kanban.yaml").write_text(json.dumps(config))  # JSON is YAML
        board = Operator(root / "penstock.kanban.yaml", os.environ).board
        for pipe in board.pipes:
            board.bucket(pipe).prepare()
        board.bucket("p/0").put_many(tokens)


@dataclass
class FilterKills:
    """All kills of one case."""

    server: KillServer
    case: FilterCase
    folder: Path
    kills: Counter[str] = field(default_factory=Counter)

    def run(self) -> None:
        """Work unkilled, then once for each crossing with a kill there.

        Raises:
            AssertionError: A killed run led to another end, or a point was not crossed.
        """
        whole = self._fresh("whole")
        assert self._work(whole, "never", 1) == 0
        crossings = json.loads((whole / "crossings.json").read_text())
        expected = outcome(whole)
        assert self.case.points <= set(crossings), crossings
        for point in sorted(set(crossings) - {"*"}):
            for number in range(1, crossings[point] + 1):
                self._kill(point, number, expected)

    def _kill(self, point: str, number: int, expected: object) -> None:
        root = self._fresh(f"{point}-{number}")
        status = self._work(root, point, number)
        assert os.WIFSIGNALED(status), f"{point}@{number}: {status}"
        assert os.WTERMSIG(status) == signal.SIGKILL, f"{point}@{number}: {status}"
        self.kills[point] += 1
        assert self._work(root, "never", 1) == 0
        found = outcome(root)
        assert found == expected, f"killed at {point}@{number}"
        shutil.rmtree(root)

    def _fresh(self, name: str) -> Path:
        root = self.folder / name
        self.case.prepare(root)
        return root

    def _work(self, root: Path, point: str, number: int) -> int:
        return self.server.run(TARGET, root, point, number, 0.0)


def outcome(root: Path) -> dict[str, object]:
    """All files but for those of the board itself, by checksum; all tokens, without what tells of deaths."""
    ours = {"p", ".penstock", "crossings.json", "penstock.kanban.yaml", "__pycache__"}
    files: dict[str, object] = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root)
        if name.parts[0] not in ours and path.is_file():
            files[str(name)] = hashlib.sha256(path.read_bytes()).hexdigest()
        elif name.parts[0] not in ours:
            files[f"{name}/"] = ""
    operator = Operator(root / "penstock.kanban.yaml", os.environ)
    for pipe, part, token in operator.tokens():
        assert f"token {token.id}" not in files, f"{token.id} is there twice"
        data = [(one.path.removeprefix(f"{root}/"), one.size, one.sha256) for one in token.data]
        attempts = token.attempts if part == "waiting" else 0  # a death counts as one in the errors
        files[f"token {token.id}"] = (pipe, part, data, dict(token.fields), attempts)
    return files
