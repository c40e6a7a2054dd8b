"""The program gpg: decrypts by passphrase, which goes through a pipe and stays nowhere."""

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, cast

from penstock.kanban._errors import PermanentError, RetryableError

SUFFIXES = frozenset({".gpg", ".pgp", ".asc"})
"""How the names of encrypted files end."""
_PIPE_BYTES = 1 << 20  # with pipes of the usual size, reading took a fifth of the CPU time
_BUFFER_BYTES = 65_536  # less than is asked for at once: most bytes go past it
_SAID_BYTES = 65_536


class Gpg:
    """Decrypts with one passphrase. No secret is on a command line, and no agent stays behind."""

    def __init__(self, passphrase: str, home: Path) -> None:
        """Name the passphrase, and a directory of gpg's own, which is made."""
        self._passphrase = passphrase
        self._home = home

    def into(self, source: Path, part: Path) -> None:
        """Decrypt into a file, which is gone again if that fails.

        The output is a file that this process has opened: a gpg that outlives its worker for a
        moment writes into a file without a name, never into that of the next attempt.

        Raises:
            PermanentError: It was tampered with, or the passphrase is another.
            RetryableError: A signal ended gpg.
            OSError: The disk is full.
        """
        try:
            with part.open("wb") as output, self._run(source, output):
                pass
        except (PermanentError, RetryableError, OSError):
            part.unlink(missing_ok=True)
            raise

    @contextmanager
    def stream(self, source: Path) -> Iterator[BufferedReader]:
        """What is in a file, through a pipe, with no copy of it on the disk.

        Read it to its end: only there gpg says whether it was tampered with, and the block ends
        with an error if so.

        Raises:
            PermanentError: It was tampered with, or the passphrase is another.
            RetryableError: A signal ended gpg.
        """
        with self._run(source, subprocess.PIPE) as gpg:
            stream = cast("BufferedReader", gpg.stdout)
            try:
                yield stream
            except Exception:
                if stream.peek(1):
                    gpg.kill()
                    raise
                if gpg.wait() == 0:  # else what gpg says tells why there was no more to read
                    raise

    @contextmanager
    def _run(self, source: Path, output: IO[bytes] | int) -> Iterator["subprocess.Popen[bytes]"]:
        """Its errors go to a file: in a pipe that nobody reads they could make it wait for ever."""
        self._home.mkdir(parents=True, exist_ok=True, mode=0o700)
        command = [
            "gpg", "--batch", "--quiet", "--yes", "--no-autostart", "--homedir", str(self._home),
            "--pinentry-mode", "loopback", "--passphrase-fd", "0", "--output", "-", "--decrypt", str(source),
        ]  # fmt: skip
        with (
            TemporaryFile() as said,
            subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=said,
                env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
                bufsize=_BUFFER_BYTES,
                pipesize=_PIPE_BYTES,
            ) as gpg,
        ):
            with suppress(BrokenPipeError), cast("IO[bytes]", gpg.stdin) as secret:
                secret.write(self._passphrase.encode() + b"\n")
            yield gpg
            if code := gpg.wait():
                said.seek(0)
                raise _problem(source, code, said.read(_SAID_BYTES))


def _problem(source: Path, code: int, said: bytes) -> Exception:
    lines = said.decode(errors="replace").strip().splitlines()
    last = lines[-1] if lines else f"exit code {code}"
    if "No space left" in last:
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(source))
    if code < 0:
        return RetryableError(f"gpg: {last}")
    return PermanentError(f"{source.name} cannot be decrypted: {last}")
