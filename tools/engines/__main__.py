"""Bring up every server that this machine can have, one after the other, and run its tests.

Usage: python -m tools.engines [NAME ...]      all of them, or those named
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from tools.engines.engine import Engine, Program
from tools.engines.sanitizers import Sanitizers
from tools.engines.server import CACHE, ROOT, NotStartedError, NotToBeHadError, end, last_lines
from tools.engines.spark import Spark
from tools.engines.supply import Supply
from tools.engines.trino import Trino
from tools.engines.versitygw import VersityGateway

ENGINES: Sequence[Engine] = (VersityGateway(), Sanitizers(), Spark(), Trino())
LOGS = CACHE / "logs"

_SUPPLY_S = 1200
_TESTS_END_S = 60
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Outcome:
    """What became of one server and its tests."""

    text: str
    failed: bool = False


def main(engines: Sequence[Engine] = ENGINES) -> None:
    """Test with one server at a time, then list how each came off; exit 1 if tests failed or a server did."""
    parser = argparse.ArgumentParser(description="Run the tests that need real servers.")
    names = [engine.name for engine in engines]
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names)}")
    wanted = parser.parse_args().names or names
    if unknown := sorted({*wanted} - {*names}):
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(names)}")
    for number in _SIGNALS:
        signal.signal(number, _interrupt)
    supply = Supply(within_s=_SUPPLY_S)
    try:
        outcomes = [_outcome(engine, supply) for engine in engines if engine.name in wanted]
    except KeyboardInterrupt:
        sys.exit("interrupted; every server is stopped")
    for outcome in outcomes:
        print(outcome.text)
    sys.exit(any(outcome.failed for outcome in outcomes))


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Once: after it all servers are being stopped, which ends in a minute and is not to be broken off."""
    del number, frame
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


def _outcome(engine: Engine, supply: Supply) -> Outcome:
    print(f"{engine.name}: obtaining", flush=True)
    try:
        program = engine.obtain(supply)
    except NotToBeHadError as error:
        reason = f"NOT TO BE HAD on this machine, its tests did not run: {error}"
        return Outcome(f"{engine.name}: {reason}")
    try:
        return _tested(engine, program)
    except NotStartedError as error:
        return Outcome(f"{engine.name}: DID NOT START, its tests did not run: {error}", failed=True)


def _tested(engine: Engine, program: Program) -> Outcome:
    with tempfile.TemporaryDirectory(prefix=f"penstock-{engine.name}-") as name:
        directory = Path(name)
        print(f"{engine.name}: starting", flush=True)
        with engine.run(program, directory) as running:
            code = _test(engine.name, running.environment)
        if code:
            _keep_logs(directory)
    verb = "tests FAILED" if code else "tested"
    return Outcome(f"{engine.name}: {verb} against {running.about}", failed=code != 0)


def _test(name: str, settings: Mapping[str, str]) -> int:
    """Run the tests marked with the server; the exit code is pytest's, which is not 0 if there are none.

    They have a session of their own, so that Ctrl-C reaches them once, from here, and they can end
    what they have started.
    """
    command = [sys.executable, "-m", "pytest", "-m", "engine", "--engine", name]
    with subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **settings}, start_new_session=True
    ) as child:
        try:
            return child.wait()
        finally:
            end(child, within_s=_TESTS_END_S, by=signal.SIGINT)


def _keep_logs(directory: Path) -> None:
    """Show the end of what the servers said, and keep the whole."""
    LOGS.mkdir(parents=True, exist_ok=True)
    for log in directory.glob("*.log"):
        kept = shutil.copy(log, LOGS)
        print(f"the end of {kept}:\n{last_lines(log.read_text(errors='replace'), 30)}", flush=True)


if __name__ == "__main__":
    main()
