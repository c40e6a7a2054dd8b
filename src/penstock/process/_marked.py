"""Processes that are known by a variable of their environment, whoever started them and died since."""

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Final

from penstock.base import Clock

_PROC: Final = Path("/proc")
_LOOK_S: Final = 0.005
_LONGEST_S: Final = 5.0
"""Longer only where the kernel itself hangs, on a dead network file system say."""


async def end_marked(name: str, value: str, *, clock: Clock) -> bool:
    """Kill every process but this one that was given a variable of this value, and see them end.

    A child dies with a parent that is killed; what the child has started lives on, and has inherited
    its environment. Found are processes of this user, and none that was started without the variable.

    Returns:
        Whether there was any. Always False where there is no `/proc`.
    """
    mark = f"{name}={value}".encode()
    deadline, found = clock.monotonic() + _LONGEST_S, False
    while (left := await asyncio.to_thread(_marked, mark)) and clock.monotonic() < deadline:
        found = True
        for pid in left:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        await clock.sleep(_LOOK_S)
    return found


def _marked(mark: bytes) -> list[int]:
    """Those that live; what is a zombie has no environment any more."""
    found = []
    for place in _PROC.glob("[0-9]*/environ"):
        with suppress(OSError):  # it has ended, or is somebody else's
            if mark in place.read_bytes().split(b"\0"):
                found.append(int(place.parent.name))
    return [pid for pid in found if pid != os.getpid()]
