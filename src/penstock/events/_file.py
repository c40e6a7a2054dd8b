"""Events as lines of a file."""

import asyncio
import fcntl
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Final

from penstock.events._cloud import CloudEvent
from penstock.events._sink import EventSink

_TAIL_BYTES: Final = 1 << 20


class JsonLinesSink(EventSink):
    """Appends one JSON line per event; each event stands in the file once, however often it is sent.

    Several processes may write to the same file. What a crash left of a line is cut off.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    async def send(self, events: Sequence[CloudEvent]) -> None:
        await asyncio.to_thread(self._append, events)

    def _append(self, events: Sequence[CloudEvent]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            last = _last_position(file)
            lines = [_line(each) for each in events if each.position > last]
            file.write(b"".join(lines))
            file.flush()
            os.fsync(file.fileno())


def _line(event: CloudEvent) -> bytes:
    attributes = {**event.attributes, "penstockposition": event.position, "data": event.data}
    return (json.dumps(attributes, separators=(",", ":"), ensure_ascii=False) + "\n").encode()


def _last_position(file: BinaryIO) -> int:
    """The position of the last whole line; what stands behind it is cut off."""
    size = file.seek(0, os.SEEK_END)
    start = max(0, size - _TAIL_BYTES)
    file.seek(start)
    tail = file.read()
    whole = tail[: tail.rfind(b"\n") + 1]
    if len(whole) < len(tail):
        file.truncate(start + len(whole))
        file.seek(0, os.SEEK_END)
    lines = whole.splitlines()
    return int(json.loads(lines[-1])["penstockposition"]) if lines else 0
