"""A local directory for outputs on their way, which does not outlive its process for long."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

_LOCK = "lock"


@contextmanager
def spool(parent: Path) -> Iterator[Path]:
    """A fresh directory below `parent`, removed at the end.

    What a process left that was killed is removed by the next one: the kernel frees a lock when
    its holder dies, and never before.

    Raises:
        OSError: The local disk is at fault.
    """
    parent.mkdir(parents=True, exist_ok=True)
    for left in parent.iterdir():
        _remove_if_left(left)
    directory = parent / uuid4().hex
    directory.mkdir()
    lock = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)
        os.close(lock)


def _remove_if_left(directory: Path) -> None:
    try:
        lock = os.open(directory / _LOCK, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return  # made this instant and not locked yet, or gone
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(directory, ignore_errors=True)
    except BlockingIOError:
        return  # its process lives
    finally:
        os.close(lock)
