"""What there is to work on: the catalogue, and a sample from the command line."""

import csv
import io
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock

from penstock.base import ConfigError, Problem
from penstock.files import write_atomic
from penstock.kanban._config import CatalogueConfig, Seed
from penstock.kanban._load import Board
from penstock.telemetry import get_logger

_TRUE = {"1", "true", "yes", "y", "x"}
_PAUSE_S = 300.0


def sample_of(text: str, file: Path | None) -> list[str]:
    """The ids of a sample: `123,456`, or one per line of a file.

    Raises:
        ConfigError: The file cannot be read.
    """
    found = [part.strip() for part in text.split(",")]
    if file is not None:
        try:
            found += [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
        except OSError as error:
            problem = Problem(str(file), 0, "", f"cannot be read: {error.strerror}")
            raise ConfigError((problem,)) from error
    return list(dict.fromkeys(part for part in found if part and not part.startswith("#")))


class Catalogue:
    """Everything there is, in a CSV file or printed by a command, whose answer is kept for a while.

    An answer takes the place of the last one when it is whole and has the columns. Where the
    command fails, the last answer holds, and a warning says so.
    """

    def __init__(self, board: Board, *, wall: Callable[[], float] = time.time) -> None:
        self._board = board
        self._wall = wall
        self._log = get_logger("penstock.kanban")
        self._read = 0.0
        self._not_before = 0.0
        self._starting = Lock()
        self._stopped = False
        self._running: subprocess.Popen[bytes] | None = None

    @property
    def read(self) -> bool:
        """Whether its items were given out since this board was started; yes where there is none."""
        return bool(self._read) or not self._board.settings.all_books

    def due(self) -> bool:
        """Whether it was never read, has changed, or is too old."""
        books = self._board.settings.all_books
        if not books:
            return False
        file = self._file
        if not isinstance(books, CatalogueConfig):
            return not self._read or (file.is_file() and file.stat().st_mtime > self._read)
        return not self._read or self._stale(books)

    def items(self) -> Iterator[tuple[str, str]]:
        """Each item that enters the board, with the pipe that it enters.

        Which do is what `seed` of the filters says: what is available and not yet converted, what
        has been converted, or all.

        Raises:
            ConfigError: The catalogue cannot be made or read, and there is none of an earlier day.
        """
        books = self._board.settings.all_books
        if not books:
            return
        if isinstance(books, CatalogueConfig) and self._stale(books):
            self._ask(books)
        self._read = self._wall()
        entries = self._board.entries
        for row in _rows(self._file.read_text(encoding="utf-8"), str(self._file)):
            converted = (row.get("converted") or "").strip().lower() in _TRUE
            kind = Seed.CONVERTED if converted else Seed.AVAILABLE
            pipe = entries.get(kind) or entries.get(Seed.ALL)
            identity = (row["barcode"] or "").strip()
            if pipe and identity:
                yield identity, pipe

    def stop(self) -> None:
        """End a command that runs, and begin none any more; what it has printed is dropped."""
        with self._starting:
            self._stopped = True
            running = self._running
        if running is not None:
            with suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGKILL)

    @property
    def _file(self) -> Path:
        books = self._board.settings.all_books
        if isinstance(books, CatalogueConfig):
            return self._board.state / "catalogue.csv"
        return self._board.root / books

    def _stale(self, config: CatalogueConfig) -> bool:
        now = self._wall()
        if not self._file.is_file():
            return True
        age = now - self._file.stat().st_mtime
        return age >= config.max_age.total_seconds() and now >= self._not_before

    def _ask(self, config: CatalogueConfig) -> None:
        try:
            answer = self._answer(config)
            for _ in _rows(answer.decode(), config.command):
                break
        except (ConfigError, UnicodeDecodeError) as error:
            if not self._file.is_file():
                raise
            self._not_before = self._wall() + _PAUSE_S
            made = datetime.fromtimestamp(self._file.stat().st_mtime, UTC)
            self._log.warning(
                "the catalogue could not be made anew, the last one is used",
                made=f"{made:%Y-%m-%d %H:%M} UTC",
                reason=str(error),
            )
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(self._file, answer)
        os.utime(self._file, (self._wall(), self._wall()))

    def _answer(self, config: CatalogueConfig) -> bytes:
        with self._begun(config) as child:
            answer, complaint = child.communicate()
        self._running = None
        if child.returncode:
            said = complaint.decode(errors="replace").strip() or f"exit code {child.returncode}"
            raise self._failed(config, said)
        return answer

    def _begun(self, config: CatalogueConfig) -> "subprocess.Popen[bytes]":
        """The command at work; a stop comes before it or finds it, never in between."""
        with self._starting:
            if self._stopped:
                raise self._failed(config, "the board was stopped")
            self._running = subprocess.Popen(  # noqa: S602 - the user wrote this command in a file of their own
                config.command,
                shell=True,
                cwd=self._board.root,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
            return self._running

    def _failed(self, config: CatalogueConfig, said: str) -> ConfigError:
        message = f"the command {config.command!r} failed: {said}"
        return ConfigError((Problem(str(self._board.file), 0, "global.all_books", message),))


def _rows(text: str, origin: str) -> Iterator[dict[str, str]]:
    rows = csv.DictReader(io.StringIO(text, newline=""))
    if "barcode" not in (rows.fieldnames or ()):
        problem = Problem(origin, 1, "", f"expected a column 'barcode', got {rows.fieldnames}")
        raise ConfigError((problem,))
    yield from rows
