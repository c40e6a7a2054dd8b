"""Functions for worker processes, which import them by name."""

import os
import signal
from pathlib import Path

from penstock import PoisonError, stage


def twice(number: int) -> int:
    if number == 13:
        raise PoisonError("thirteen")
    return number * 2


def divide(number: int):
    yield from range(number)


def die_at_seven(number: int) -> int:
    if number == 7:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def die_once(item: tuple[int, str]) -> int:
    """Dies with message 3 in hand, unless its mark is there."""
    number, folder = item
    mark = Path(folder) / "died"
    if number == 3 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def hang_at_two(number: int) -> int:
    if number == 2:
        signal.pause()
    return number


def hang(path: str) -> None:
    Path(path).write_text(str(os.getpid()))
    signal.pause()


def grow(size: int) -> bytes:
    return b"x" * size


def reject_three(numbers: list[int]) -> list[int]:
    if 3 in numbers:
        raise ValueError("three")
    return numbers


@stage(pool="process")
def decorated(number: int) -> int:
    return -number


def unpicklable(number: int) -> object:
    return lambda: number
