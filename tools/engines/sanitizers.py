"""The compiled decoder under the address and undefined-behaviour sanitizers: no server, a build."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.engines.engine import Engine, Program, Running
from tools.engines.server import ROOT, NotToBeHadError
from tools.engines.supply import Supply
from tools.native import compiler, library, sanitizer_environment


class Sanitizers(Engine):
    """Needs a compiler that brings the sanitizers' libraries, as Debian's gcc does."""

    @property
    def name(self) -> str:
        """Of the build variant's family."""
        return "sanitizers"

    def obtain(self, supply: Supply) -> Program:
        """Build the decoder, and see that Python starts with the sanitizers in it."""
        del supply
        try:
            program = library("sanitized")
            command = [sys.executable, "-c", "from tools import native; native.build('sanitized')"]
            subprocess.run(
                command, check=True, cwd=ROOT, env=sanitizer_environment(), capture_output=True
            )
        except (OSError, subprocess.CalledProcessError) as error:
            raise NotToBeHadError(f"{compiler()[0]} cannot build with them: {error}") from error
        return [program]

    @contextmanager
    def run(self, program: Program, directory: Path) -> Iterator[Running]:
        """Nothing is to be kept up: each test starts a Python of its own, and leaves no file."""
        del directory
        yield Running(environment={}, about=f"the build {program[0].parent.name}")
