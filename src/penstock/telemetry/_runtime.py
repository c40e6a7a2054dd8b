"""A note of each address that is served on, where other programs of the same user find it.

A note is a file in a directory that is the user's alone. Whoever made it holds a lock on it as long as it
lives, so a note without one is of the dead, and is removed by whoever meets it.
"""

import fcntl
import os
import tempfile
from contextlib import suppress
from itertools import count
from pathlib import Path

_numbers = count()


def user_directory() -> Path:
    """Where the notes of this user lie, on this machine until it restarts."""
    return Path(tempfile.gettempdir()) / f"penstock-{os.getuid()}"


class Note:
    """Says that this process serves on an address, until it is removed or the process ends."""

    def __init__(self, address: str, directory: Path) -> None:
        """Write it; where the directory cannot be used there is none, for serving matters more."""
        self._path: Path | None = None
        self._handle = -1
        with suppress(OSError):
            directory.mkdir(mode=0o700, exist_ok=True)
            if _is_ours(directory):
                self._write(address, directory)

    def _write(self, address: str, directory: Path) -> None:
        path = directory / f"{os.getpid()}-{next(_numbers)}"
        aside = directory / f".{path.name}"
        self._handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        # Locked before it can be seen: who finds it without a lock takes it for a note of the dead.
        fcntl.flock(self._handle, fcntl.LOCK_EX)
        os.write(self._handle, address.encode())
        aside.rename(path)
        self._path = path

    def remove(self) -> None:
        """It serves no more."""
        if self._path is not None:
            with suppress(OSError):
                self._path.unlink()
        if self._handle >= 0:
            os.close(self._handle)
        self._path, self._handle = None, -1


def notes(directory: Path) -> dict[str, int]:
    """The addresses that are served on now, and the process that serves, in the order of their numbers."""
    found: dict[str, int] = {}
    with suppress(OSError):
        paths = [path for path in directory.iterdir() if path.name[0] != "."]
        for path in sorted(paths) if _is_ours(directory) else ():
            with suppress(OSError, ValueError):
                address = _read(path)
                if address:
                    found[address] = int(path.name.partition("-")[0])
    return found


def _read(path: Path) -> str:
    """What stands in a note; nothing if whoever wrote it is dead, and then it is removed."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return file.read().decode()
        path.unlink()
        return ""


def _is_ours(directory: Path) -> bool:
    """Whether nobody else can have written there: the place is one where others may make directories."""
    status = directory.lstat()
    return status.st_uid == os.getuid() and not status.st_mode & 0o022
