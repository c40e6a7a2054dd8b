"""Bring up every server that this machine can have, and run its tests against it."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from tools.engines.sanitizers import Sanitizers
from tools.engines.server import ROOT, Engine, NotToBeHadError, Running
from tools.engines.versitygw import VersityGateway

ENGINES: tuple[Engine, ...] = (VersityGateway(), Sanitizers())


def main() -> None:
    """Start the servers, run the tests of those that are up, list what could not be had."""
    up: dict[str, Running] = {}
    missing: dict[str, str] = {}
    with ExitStack() as servers:
        for engine in ENGINES:
            print(f"{engine.name}: starting", flush=True)
            try:
                up[engine.name] = _start(engine, servers)
            except NotToBeHadError as error:
                missing[engine.name] = str(error)
        code = _test(up) if up else 0
    for name, running in up.items():
        print(f"{name}: tested against {running.about}")
    for name, why in missing.items():
        print(f"{name}: NOT TO BE HAD on this machine, its tests did not run: {why}")
    sys.exit(code)


def _start(engine: Engine, servers: ExitStack) -> Running:
    program = engine.obtain()
    prefix = f"penstock-{engine.name}-"
    directory = Path(servers.enter_context(tempfile.TemporaryDirectory(prefix=prefix)))
    return servers.enter_context(engine.run(program, directory))


def _test(up: dict[str, Running]) -> int:
    """Run the tests marked with the servers that are up; the exit code is pytest's."""
    command: Sequence[str] = [sys.executable, "-m", "pytest", "-m", "engine"]
    for name in up:
        command = [*command, "--engine", name]
    settings = {key: value for running in up.values() for key, value in running.environment.items()}
    environment = {**os.environ, **settings}
    return subprocess.run(command, check=False, cwd=ROOT, env=environment).returncode


if __name__ == "__main__":
    main()
