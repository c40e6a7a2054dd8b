"""Functions for worker processes, which import them by name."""

import ctypes
import os
import signal
import threading
from pathlib import Path

from penstock import PoisonError, stage
from penstock.flow import Context


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


def hang_at_path(item: int | str) -> int | str:
    """Makes the file that it hangs with, so that others know when it does."""
    if isinstance(item, str):
        Path(item).touch()
        signal.pause()
    return item


def hang(path: str) -> None:
    Path(path).write_text(str(os.getpid()))
    signal.pause()


def oom_score(_: int) -> int:
    return int(Path("/proc/self/oom_score_adj").read_text())


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


def segfault_at_two(number: int) -> int:
    if number == 2:
        ctypes.string_at(0)
    return number


def abort_at_two(number: int) -> int:
    if number == 2:
        os.abort()
    return number


def exit_at_two(number: int) -> int:
    if number == 2:
        os._exit(3)
    return number


def fill_at_two(number: int) -> int:
    """Takes a gibibyte, of which every page is touched."""
    if number == 2:
        return len(b"x" * (1 << 30))
    return number


def answer_with(size: int) -> list[bytes]:
    """Fits as it is made; its pickle does not."""
    return [bytes(1000) for _ in range(size // 1000)]


def pid_of(number: int) -> int:
    if number < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()


def _append(path: str, line: str) -> None:
    with Path(path).open("a") as file:
        file.write(f"{line}\n")


def charge_and_die(item: tuple[int, str, str], ctx: Context) -> int:
    """Charges once; the first worker that has number 3 in hand dies, within the block or behind it."""
    number, folder, where = item
    mark = Path(folder) / "died"
    with ctx.once(f"charge/{number}") as first:
        if first:
            _append(f"{folder}/charged", f"{number} {ctx.attempt}")
        if number == 3 and where == "within" and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
    if number == 3 and where == "behind" and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def charge_all(items: list[tuple[int, str]], ctx: Context) -> list[str]:
    for number, folder in items:
        with ctx.once("one key for all") as first:
            if first:
                _append(f"{folder}/charged", str(number))
    return list(ctx.message_ids)


def look(number: int, ctx: Context) -> tuple[str, str, str, int]:
    return ctx.flow, ctx.stage, ctx.message_id, ctx.attempt


def look_at_each(number: int, ctx: Context):
    yield ctx.message_id


def loaded(item: tuple[int, bytes]) -> tuple[int, bytes]:
    """Some messages fail every time, some are large enough to travel by shared memory."""
    number, data = item
    if number % 11 == 5:
        raise OSError("later")
    return number, data * 100_000 if number % 40 == 7 else data


def wait_for_ever(item: object) -> object:
    """Says so on standard error where nobody looks: it cannot be interrupted but by a signal."""
    threading.Event().wait()
    return item


def _note_and_die_if_told(folder: str, lines: list[str]) -> None:
    """Only the one whose unlink succeeds was told."""
    _append(f"{folder}/runs", "\n".join(lines))
    try:
        (Path(folder) / "die").unlink()
    except FileNotFoundError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


def noted(item: tuple[int, str, bytes], ctx: Context) -> tuple[int, int, bytes]:
    """Notes its attempt, and dies if it is told to; says who has it."""
    number, folder, data = item
    _note_and_die_if_told(folder, [f"{number} {ctx.attempt}"])
    return number, os.getpid(), data


def noted_batch(items: list[tuple[int, str, bytes]]) -> list[tuple[int, int, bytes]]:
    """Notes for each how many came at once."""
    _note_and_die_if_told(items[0][1], [f"{number} {len(items)}" for number, _, _ in items])
    return [(number, os.getpid(), data) for number, _, data in items]


def load_in(pid: int) -> str:
    """Unpickles a `Homebound`."""
    if os.getpid() != pid:
        raise EOFError("far from home")
    return "home"


class Homebound:
    """Can be pickled, and be unpickled in the process that made it only."""

    def __init__(self) -> None:
        self.pid = os.getpid()

    def __reduce__(self) -> tuple[object, ...]:
        return load_in, (self.pid,)


def kind_of(item: object) -> str:
    return type(item).__name__


def kinds_of(items: list[object]) -> list[str]:
    return [kind_of(item) for item in items]
