"""Shell: a command per token."""

import asyncio
import os
import shlex
from collections.abc import Iterable
from pathlib import Path

from penstock.base import SystemClock
from penstock.kanban._data import filled
from penstock.kanban._errors import PermanentError, RetryableError
from penstock.kanban._filter import Arguments, Filter, FilterContext, Outcome
from penstock.kanban._token import Token
from penstock.process import ProcessSpec, ProcessStartError, run_process

_LAST = 500


class ShellArguments(Arguments):
    """What to run."""

    command: str
    """Program and arguments, split as a shell does and run without one; `{barcode}` and fields are filled in after that."""

    permanent: tuple[int, ...] = (65,)
    """Exit codes that mean: no further attempt can help. 65 is EX_DATAERR of sysexits(3)."""


class Shell(Filter):
    """Runs a command in the processing bucket; exit code 0 is done, others are failed attempts.

    The command ends with its worker (Linux). It must be fine to run it again after a crash.
    """

    arguments = ShellArguments

    @classmethod
    def problems(cls, context: FilterContext) -> Iterable[str]:
        parts = shlex.split(ShellArguments.model_validate(dict(context.args)).command)
        if "-c" in parts and any("{" in part for part in parts[parts.index("-c") :]):
            yield "a shell would run what a token holds: inside `sh -c` write $PENSTOCK_TOKEN for {barcode}"

    def process(self, token: Token) -> Outcome:
        folder = self.context.processing(token)
        folder.mkdir(parents=True, exist_ok=True)
        argv = tuple(filled(part, token) for part in shlex.split(self.args.command))
        log = self.context.temporary / f"{token.id}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_bytes(b"")
        files = os.pathsep.join(reference.path for reference in token.data)
        env = {**os.environ, "PENSTOCK_TOKEN": token.id, "PENSTOCK_DATA": files}
        spec = ProcessSpec(argv, env=env, cwd=folder, log_file=log)
        try:
            status = asyncio.run(run_process(spec, clock=SystemClock()))
        except ProcessStartError as error:
            raise PermanentError(str(error)) from error
        self.context.failpoints.cross("shell.ended")
        said = _last_words(log)
        if status.code in self.args.permanent:
            raise PermanentError(f"{argv[0]} {status}: {said}")
        if not status.ok:
            raise RetryableError(f"{argv[0]} {status}: {said}")
        log.unlink()
        return token


def _last_words(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace").strip()[-_LAST:]
