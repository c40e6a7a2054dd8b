"""Lines of files, each placed by the byte at which it ends."""

import asyncio
import glob
import hashlib
import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from penstock.base import parse_size
from penstock.flow._errors import CheckpointError, FlowError
from penstock.flow._message import Message, Place
from penstock.flow._source import EndOfSource, SeekableSource, call_in_thread

_BLOCK = 1 << 20
_SAMPLE = 4096
Line = tuple[bytes, int, int]


class LineFile:
    """One file, read in blocks from a byte on; stays with what it opened when the name moves on."""

    def __init__(self, path: str, start: int, longest: int) -> None:
        self._path = path
        self._longest = longest
        self._place = start
        self._rest = b""
        self._file = Path(path).open("rb", buffering=0)  # noqa: SIM115 - closed by `close`
        self._file.seek(start)

    def lines(self) -> list[Line] | None:
        """The lines of the next block with where they start and end; None at the end of the file.

        Raises:
            CheckpointError: A line is too long; or, at the end, the file is not what it was.
        """
        block = self._file.read(_BLOCK)
        if not block:
            self._check()
            return self._last()
        *whole, rest = (self._rest + block).split(b"\n")
        if len(rest) > self._longest:
            raise CheckpointError(
                self._path,
                f"the line at byte {self._place:,} is longer than {self._longest:,} bytes",
                "raise max_line, or leave the file out",
            )
        self._rest = rest
        found = []
        for line in whole:
            start, self._place = self._place, self._place + len(line) + 1
            found.append((line, start, self._place))
        return found

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _last(self) -> list[Line] | None:
        if not self._rest:
            return None
        line, self._rest = self._rest, b""
        start, self._place = self._place, self._place + len(line)
        return [(line, start, self._place)]

    def _check(self) -> None:
        """At the end: whether the name still stands for what was read, and all of that is still there."""
        ours = os.fstat(self._file.fileno())
        try:
            now = os.stat(self._path)  # noqa: PTH116 - beside fstat
        except FileNotFoundError:
            return
        if ours.st_size < self._place + len(self._rest):
            raise _changed(self._path, f"was truncated to {ours.st_size:,} bytes while it was read")
        if (now.st_ino, now.st_dev) != (ours.st_ino, ours.st_dev):
            raise _changed(
                self._path, "was rotated while it was read: its name stands for another file"
            )


class LinesSource(SeekableSource[Any]):
    """Files in the order of their names, each a lane."""

    def __init__(self, patterns: tuple[str, ...], encoding: str | None, longest: int) -> None:
        self._patterns = patterns
        self._encoding = encoding
        self._longest = longest
        self._starts: Mapping[str, int] = {}
        self._paths: Iterator[str] | None = None
        self._path = ""
        self._file: LineFile | None = None
        self._lines: deque[Line] = deque()
        self._reading: asyncio.Future[bool] | None = None

    @property
    def identity(self) -> str:
        return f"lines of {', '.join(self._patterns)}"

    async def seek(self, lanes: Mapping[str, tuple[Place | None, str]]) -> None:
        wanted = {path: (int(frontier or 0), mark) for path, (frontier, mark) in lanes.items()}
        self._starts = {path: frontier for path, (frontier, _) in wanted.items()}
        await call_in_thread("lines", lambda: _check_marks(wanted))

    async def marks(self, frontiers: Mapping[str, Place | None]) -> Mapping[str, str]:
        wanted = {path: int(frontier or 0) for path, frontier in frontiers.items()}
        return await call_in_thread("lines", lambda: _make_marks(wanted))

    async def pull(self, demand: int) -> Sequence[Message[Any]]:
        if not self._lines:
            await self._wait_lines()
        lines = [self._lines.popleft() for _ in range(min(demand, len(self._lines)))]
        path = self._path
        return [
            Message(self._decoded(line), f"{path}@{start}", (path, start, end))
            for line, start, end in lines
        ]

    async def ack(self, messages: Sequence[Message[Any]]) -> None:
        pass

    async def nack(self, messages: Sequence[Message[Any]]) -> None:
        pass

    async def aclose(self) -> None:
        """Close the file; one that a thread is reading closes it when it has read."""
        if self._reading is not None and not self._reading.done():
            self._reading.add_done_callback(lambda _: self._close())
        else:
            self._close()

    async def _wait_lines(self) -> None:
        # A pull that is cancelled leaves its read under way: the next pull, or nobody, gets it.
        if self._reading is None:
            self._reading = call_in_thread("lines", self._read)
        await asyncio.wait([self._reading])
        reading, self._reading = self._reading, None
        if not reading.result():
            raise EndOfSource

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _decoded(self, line: bytes) -> Any:
        # Bytes that are no text come through as they are, and go back with the same error handler.
        if self._encoding is None:
            return line
        return line.removesuffix(b"\r").decode(self._encoding, "surrogateescape")

    def _read(self) -> bool:
        """In a thread: read some lines; False where there are none in any file."""
        if self._paths is None:
            self._paths = iter(_matching(self._patterns))
        while not self._lines:
            if self._file is None:
                path = next(self._paths, None)
                if path is None:
                    return False
                self._path = path
                self._file = LineFile(path, self._starts.get(path, 0), self._longest)
            found = self._file.lines()
            if found is None:
                self._file.close()
                self._file = None
            else:
                self._lines.extend(found)
        return True


def _matching(patterns: Iterable[str]) -> list[str]:
    """Each file once, in the order of their names.

    Raises:
        FileNotFoundError: A path without wildcards stands for nothing.
    """
    found = set[str]()
    for pattern in patterns:
        matched = glob.glob(pattern, recursive=True)  # noqa: PTH207 - patterns may be absolute
        if not matched and not glob.has_magic(pattern):
            raise FileNotFoundError(
                f"there is no file {pattern!r}; look at the paths of the source"
            )
        found.update(path for path in matched if os.path.isfile(path))  # noqa: PTH113 - plain names
    return sorted(found)


def _make_marks(frontiers: Mapping[str, int]) -> dict[str, str]:
    """Size and digest for each file; a file that is gone meanwhile has been read as far as it says."""
    marks = {}
    for path, frontier in frontiers.items():
        try:
            with Path(path).open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                marks[path] = f"{size} {_digest(file, frontier)}"
        except FileNotFoundError:
            marks[path] = f"{frontier} gone"
    return marks


def _check_marks(wanted: Mapping[str, tuple[int, str]]) -> None:
    problems = [_problem(path, frontier, mark) for path, (frontier, mark) in wanted.items()]
    found = [problem for problem in problems if problem]
    if found:
        raise _changed(f"{len(found)} of the files read", "; ".join(found))


def _problem(path: str, frontier: int, mark: str) -> str:
    """What has happened to a file since it was marked; empty where it may be gone on with."""
    size, _, digest = mark.partition(" ")
    try:
        file = Path(path).open("rb")  # noqa: SIM115 - closed below
    except FileNotFoundError:
        unread = int(size) - frontier
        return f"{path} is gone, with {unread:,} bytes that were not settled" if unread > 0 else ""
    with file:
        now = os.fstat(file.fileno()).st_size
        if now < frontier:
            return f"{path} was truncated: it has {now:,} bytes, and {frontier:,} are settled"
        if digest != "gone" and _digest(file, frontier) != digest:
            return f"{path} was rotated or changed: what stands before byte {frontier:,} is not what was read"
        if 0 < frontier < now and _byte(file, frontier - 1) != b"\n":
            return f"{path} has grown in the middle of its last line, which was read as it stood"
    return ""


def _digest(file: BinaryIO, frontier: int) -> str:
    """Of the first bytes, and of those before the frontier."""
    file.seek(0)
    digest = hashlib.sha256(file.read(min(_SAMPLE, frontier)))
    file.seek(max(frontier - _SAMPLE, 0))
    digest.update(file.read(min(_SAMPLE, frontier)))
    return digest.hexdigest()[:32]


def _byte(file: BinaryIO, place: int) -> bytes:
    file.seek(place)
    return file.read(1)


def _changed(place: str, problem: str) -> CheckpointError:
    return CheckpointError(
        place,
        problem,
        "put back what was read, or begin anew with another checkpoint directory; "
        "files that grow at their end, and new files, are no change",
    )


def read_lines(
    *paths: str | Path, encoding: str | None = "utf-8", max_line: object = "16MiB"
) -> SeekableSource[Any]:
    """A source of the lines of files, in the order of their names, without their line ends.

    With a checkpoint it goes on at the byte where it stopped. Files that have grown and new files are
    read on; a file that was truncated, rotated or changed is named, and nothing is read. A file may
    be gone when all of it is settled.

    Args:
        paths: Files, and patterns such as `logs/**/*.ndjson`; order and names as glob gives them.
        encoding: Of the text; bytes that do not fit it come as surrogates, as with the error
            handler `surrogateescape`. None gives bytes, with a carriage return where there is one.
        max_line: Longest line (`16MiB`), so that a file without line ends cannot fill the memory.

    Raises:
        FlowError: No path is given.
    """
    if not paths:
        raise FlowError("expected at least one path or pattern, got none")
    return LinesSource(tuple(str(path) for path in paths), encoding, parse_size(max_line))
