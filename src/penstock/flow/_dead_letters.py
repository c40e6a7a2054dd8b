"""Messages that could not be processed: recorded first, settled after."""

import asyncio
import base64
import json
import os
import pickle
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import datetime
from inspect import isawaitable
from pathlib import Path
from typing import Any, Literal, Protocol

from penstock.base import Value
from penstock.flow._errors import FlowError

Reason = Literal["error", "poison", "timeout", "crash", "memory", "drained", "retry budget"]
KEPT = 1000


class DeadLetter(Value):
    """A message that ended without success, and why."""

    flow: str
    stage: str
    message_id: str
    attempts: int
    reason: Reason
    error_class: str
    """The class of the last error; route on this, never on the text."""
    error: str
    at: datetime
    payload: Any

    def to_json(self) -> str:
        """One line of JSON; a payload that JSON cannot hold is pickled (`payload_pickle`, base64) or shown."""
        record: dict[str, Any] = {
            "v": 1,
            "flow": self.flow,
            "stage": self.stage,
            "id": self.message_id,
            "attempts": self.attempts,
            "reason": self.reason,
            "error_class": self.error_class,
            "error": self.error,
            "at": self.at.isoformat(),
        }
        return json.dumps({**record, **_encoded(self.payload)})


def _encoded(payload: Any) -> dict[str, Any]:
    try:
        # What comes back different (a tuple, a key that is no string) is not the payload.
        if json.loads(json.dumps(payload)) == payload:
            return {"payload": payload}
    except (TypeError, ValueError, RecursionError):
        pass
    try:
        return {"payload_pickle": base64.b64encode(pickle.dumps(payload)).decode("ascii")}
    except Exception:  # noqa: BLE001 - pickling runs the user's code, which may raise anything
        return {"payload_repr": repr(payload)[:4096]}


class DeadLetterStore(Protocol):
    """Where dead letters go. The message is settled when `keep` has returned."""

    async def keep(self, letters: Sequence[DeadLetter]) -> None:
        """Record them durably."""
        ...

    def read(self) -> Iterator[DeadLetter]:
        """What this run has recorded and can still show."""
        ...


class MemoryDeadLetters(DeadLetterStore):
    """Keeps the last 1,000 for the report, and no more: not durable."""

    def __init__(self) -> None:
        self._kept: deque[DeadLetter] = deque(maxlen=KEPT)

    async def keep(self, letters: Sequence[DeadLetter]) -> None:
        self._kept.extend(letters)

    def read(self) -> Iterator[DeadLetter]:
        return iter(list(self._kept))


class FileDeadLetters(MemoryDeadLetters):
    """Appends lines of JSON to `<directory>/<flow>.ndjson` and syncs them before it returns."""

    def __init__(self, directory: Path, flow: str) -> None:
        super().__init__()
        self.path = directory / f"{flow}.ndjson"

    async def keep(self, letters: Sequence[DeadLetter]) -> None:
        text = "".join(f"{letter.to_json()}\n" for letter in letters)
        await asyncio.to_thread(self._append, text.encode())
        await super().keep(letters)

    def _append(self, lines: bytes) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            with open(handle, "ab", closefd=False) as file:
                file.write(lines)
            os.fsync(handle)
        finally:
            os.close(handle)


class CalledDeadLetters(MemoryDeadLetters):
    """Hands every dead letter to a function, plain or async."""

    def __init__(self, function: Callable[[DeadLetter], Awaitable[None] | None]) -> None:
        super().__init__()
        self._function = function

    async def keep(self, letters: Sequence[DeadLetter]) -> None:
        for letter in letters:
            answer = self._function(letter)
            if isawaitable(answer):
                await answer
        await super().keep(letters)


def dead_letters_of(given: Any, flow: str) -> DeadLetterStore:
    """The store that stands for what a user gave: nothing, a directory, or a function.

    Raises:
        FlowError: It is none of these.
    """
    if given is None:
        return MemoryDeadLetters()
    if isinstance(given, (str, Path)):
        return FileDeadLetters(Path(given), flow)
    if callable(given):
        return CalledDeadLetters(given)
    raise FlowError(f"expected dead_letters to be a directory or a function, got {given!r}")
