"""`${...}` in configuration values: environment, files, commands."""

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

_REFERENCE = re.compile(r"\$\$|\$\{([^{}]*)(\}?)")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_COMMAND_TIMEOUT_S = 60


class Interpolator:
    """Replaces `${X}`, `${X:-d}`, `${env:X}`, `${env:X:-d}`, `${file:PATH}`, `${cmd:COMMAND}` and `$$`.

    It works on values that have been parsed, never on text that is still to be parsed: what a
    variable holds cannot change the structure of a document.
    """

    def __init__(
        self, environ: Mapping[str, str], *, directory: Path, commands: bool = True
    ) -> None:
        """Say where values come from.

        Args:
            environ: The variables.
            directory: What a relative `file:` path and a command start from.
            commands: Whether `${cmd:...}` may run; False for what comes over a network.
        """
        self._environ = environ
        self._directory = directory
        self._commands = commands

    def expand(self, text: str) -> str:
        """Return `text` with every reference replaced.

        Raises:
            ValueError: A variable is not set, a file cannot be read, a command failed, or the
                reference has no known form.
        """
        return _REFERENCE.sub(
            lambda match: "$" if match[0] == "$$" else self._value(match[1], closed=match[2]), text
        )

    def _value(self, reference: str, *, closed: str) -> str:
        if not closed:
            raise ValueError(
                f"'${{{reference}' has no end: expected '}}', and no brace before it; write $$ for a dollar sign"
            )
        kind, colon, rest = reference.partition(":")
        if colon and kind == "file":
            return self._read(rest)
        if colon and kind == "cmd":
            return self._run(rest)
        return self._variable(rest if colon and kind == "env" else reference)

    def _variable(self, reference: str) -> str:
        name, dash, default = reference.partition(":-")
        if not _NAME.fullmatch(name):
            raise ValueError(
                f"expected ${{NAME}}, ${{NAME:-default}}, ${{env:NAME}}, ${{file:PATH}} or ${{cmd:COMMAND}}, "
                f"got '${{{reference}}}'; write $$ for a dollar sign"
            )
        value = self._environ.get(name)
        if dash and not value:
            return default
        if value is None:
            raise ValueError(
                f"the variable {name} is not set; set it, or write ${{{name}:-default}}"
            )
        return value

    def _read(self, path: str) -> str:
        try:
            return (self._directory / path).expanduser().read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"the file {path!r} cannot be read: {error}") from error

    def _run(self, command: str) -> str:
        if not self._commands:
            raise ValueError("${cmd:...} is not allowed here; use ${env:NAME} or ${file:PATH}")
        try:
            done = subprocess.run(  # noqa: S602 - the user wrote this command in a file of their own
                command,
                shell=True,
                cwd=self._directory,
                check=True,
                capture_output=True,
                text=True,
                timeout=_COMMAND_TIMEOUT_S,
                stdin=subprocess.DEVNULL,
            )
        except subprocess.CalledProcessError as error:
            reason = (error.stderr or "").strip() or f"exit code {error.returncode}"
            raise ValueError(f"the command {command!r} failed: {reason}") from error
        except subprocess.TimeoutExpired as error:
            raise ValueError(
                f"the command {command!r} took longer than {_COMMAND_TIMEOUT_S} s"
            ) from error
        return done.stdout.rstrip("\r\n")
