"""Speaking with a running board from another terminal: requests and answers are files."""

import json
import os
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from secrets import token_hex
from typing import Any

from penstock.files import write_atomic
from penstock.kanban._disk import names_in, try_lock
from penstock.kanban._errors import (
    BoardNotRunningError,
    BoardRunningError,
    CommandRefusedError,
    KanbanError,
    translated,
)
from penstock.kanban._load import Board
from penstock.kanban._watch import Watch

_LOOK_S = 0.02
_PATIENCE_S = 30.0
_BACKSTOP_S = 2.0

Handler = Callable[[dict[str, Any]], Awaitable[Any]]


def running(board: Board) -> bool:
    """Whether an orchestrator runs this board."""
    path = board.state / "board.lock"
    if not path.exists():
        return False
    descriptor = try_lock(str(path))
    if descriptor is None:
        return True
    os.close(descriptor)
    return False


def hold(board: Board) -> int:
    """Become the orchestrator of a board; the descriptor says so until it is closed.

    Raises:
        BoardRunningError: There is one.
    """
    with translated(str(board.state)):
        board.state.mkdir(parents=True, exist_ok=True)
        descriptor = try_lock(str(board.state / "board.lock"))
    if descriptor is None:
        raise BoardRunningError(str(board.file))
    return descriptor


def ask(board: Board, command: str, **values: Any) -> Any:
    """Have the running board carry out a command, and return its answer.

    Raises:
        BoardNotRunningError: Nobody answers.
        CommandRefusedError: It says why it did not.
    """
    if not running(board):
        raise BoardNotRunningError(str(board.file))
    folder = board.state / "control"
    folder.mkdir(exist_ok=True)
    name = token_hex(8)
    answer = folder / f"{name}.answer"
    write_atomic(folder / f"{name}.request", json.dumps({"command": command, **values}).encode())
    deadline = time.monotonic() + _PATIENCE_S
    while not answer.exists():
        if time.monotonic() > deadline or not running(board):
            (folder / f"{name}.request").unlink(missing_ok=True)
            raise BoardNotRunningError(str(board.file))
        time.sleep(_LOOK_S)
    said = json.loads(answer.read_bytes())
    answer.unlink()
    if "refused" in said:
        raise CommandRefusedError(said["refused"])
    return said["answer"]


async def serve(board: Board, handle: Handler) -> None:
    """Answer requests as they come, until cancelled."""
    folder = board.state / "control"
    folder.mkdir(exist_ok=True)
    with closing(Watch([str(folder)])) as watch:
        while True:
            for name in sorted(names_in(str(folder))):
                if name.endswith(".request"):
                    await _answer(folder / name, handle)
            await watch.coming(_BACKSTOP_S)


async def _answer(path: Path, handle: Handler) -> None:
    try:
        request = json.loads(path.read_bytes())
        said: dict[str, Any] = {"answer": await handle(request)}
    except FileNotFoundError:
        return
    except (KanbanError, ValueError, LookupError) as error:
        said = {"refused": str(error)}
    path.unlink(missing_ok=True)
    write_atomic(path.with_suffix(".answer"), json.dumps(said, default=str).encode())
