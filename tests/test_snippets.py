"""What the README, the tutorial and the guides tell people to type comes out as they say."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tools.links import ROOT

PAGES = (
    "README.md",
    "docs/tutorial/first-ingestion.md",
    "docs/guides/build-a-flow.md",
    "docs/guides/connect-programs.md",
    "docs/guides/exactly-once.md",
    "docs/guides/ingestion-in-production.md",
    "docs/guides/run-many-flows.md",
    "docs/guides/run-pipelines.md",
    "docs/guides/test-a-flow.md",
    "docs/guides/watch-a-flow.md",
    "docs/guides/when-a-stage-is-slow.md",
    "docs/guides/when-a-worker-crashes.md",
)

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"# ([\w-]+\.\w+)\n")
_ELSEWHERE = ("pip ", "make ")  # the first has happened, the second is what runs this test


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: Path(page).stem)
def test_a_page_can_be_followed_from_its_first_line_to_its_last(page: str, tmp_path: Path) -> None:
    """In an empty directory: files that a block names are written, commands and programs run."""
    reader = Reader(tmp_path)

    for language, text in _BLOCK.findall((ROOT / page).read_text()):
        reader.follow(language, text)


class Reader:
    """Does what a page says, and compares what appears with what the page shows."""

    def __init__(self, directory: Path) -> None:
        self._here = directory

    def follow(self, language: str, text: str) -> None:
        named = _FILE.match(text)
        if named and language in {"python", "yaml"}:
            (self._here / named[1]).write_text(text)
        elif language == "python":
            (self._here / "snippet.py").write_text(text)
            self._run("python snippet.py")
        elif language == "console":
            for step in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
                command, _, shown = step.partition("\n")
                self._type(re.sub(r"\s+#.*", "", command), shown)

    def _type(self, command: str, shown: str) -> None:
        if command.startswith("cd "):
            self._here /= command.removeprefix("cd ")
        elif not command.startswith(_ELSEWHERE):
            output = self._run(command)
            expected = ".*".join(map(re.escape, shown.split("...")))
            assert not shown or re.fullmatch(expected, output), output

    def _run(self, command: str) -> str:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-c", command],
            check=False,
            cwd=self._here,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"$ {command}\n{done.stderr}"
        return done.stdout
