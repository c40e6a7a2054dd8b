"""Monitor: lets tokens through when an outside system says that they are ready."""

import csv
import io
import subprocess
import time
from collections.abc import Iterable
from datetime import timedelta

from penstock.base import Duration
from penstock.kanban._errors import PermanentError, RetryableError
from penstock.kanban._filter import Arguments, Filter, FilterContext, Later, Outcome
from penstock.kanban._token import Token

_READY, _FAILED = "ready", "failed"


class MonitorArguments(Arguments):
    """Whom to ask."""

    command: str = ""
    """Prints CSV with the columns `barcode` and `state`: `ready`, `failed`, or anything else for not yet."""

    file: str = ""
    """A file that holds the same."""

    every: Duration = timedelta(minutes=1)
    """How often the outside system is asked, once for all tokens."""


class Monitor(Filter):
    """Asks once per interval, for all tokens; those not ready wait, and use up no attempt.

    A subclass may ask in its own way: override `ask`.
    """

    arguments = MonitorArguments

    def __init__(self, context: FilterContext) -> None:
        super().__init__(context)
        self._states: dict[str, str] = {}
        self._asked = float("-inf")

    @classmethod
    def problems(cls, context: FilterContext) -> Iterable[str]:
        args = cls.arguments.model_validate(dict(context.args))
        named = isinstance(args, MonitorArguments) and bool(args.command) + bool(args.file)
        if cls is Monitor and named != 1:
            yield "expected either `command` or `file`"

    def ask(self) -> dict[str, str]:
        """The state of every work item that the outside system knows."""
        if self.args.file:
            text = (self.context.root / self.args.file).read_text(encoding="utf-8")
        else:
            done = subprocess.run(  # noqa: S602 - the user wrote this command in a file of their own
                self.args.command,
                shell=True,
                cwd=self.context.root,
                capture_output=True,
                check=False,
            )
            if done.returncode:
                raise RetryableError(done.stderr.decode(errors="replace").strip() or "no answer")
            text = done.stdout.decode()
        return {row["barcode"]: row["state"] for row in csv.DictReader(io.StringIO(text))}

    def process(self, token: Token) -> Outcome:
        every = self.args.every.total_seconds()
        if time.monotonic() - self._asked >= every:
            self._states = self.ask()
            self._asked = time.monotonic()
            self.context.failpoints.cross("monitor.asked")
        state = self._states.get(token.id, "unknown")
        if state == _READY:
            return token
        if state == _FAILED:
            raise PermanentError("the outside system says that it failed")
        return Later(max(self._asked + every - time.monotonic(), 0.0), f"its state is {state}")
