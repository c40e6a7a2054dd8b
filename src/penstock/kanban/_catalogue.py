"""What there is to work on: the catalogue, and a sample from the command line."""

import csv
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from penstock.base import ConfigError, Problem
from penstock.kanban._config import CatalogueConfig
from penstock.kanban._disk import replace_file
from penstock.kanban._load import Board

_TRUE = {"1", "true", "yes", "y", "x"}


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


def catalogue(board: Board) -> Iterator[str]:
    """The ids of what is available and not yet converted; nothing where there is no catalogue.

    Raises:
        ConfigError: The catalogue cannot be made or read.
    """
    books = board.settings.all_books
    if not books:
        return
    file = _cached(board, books) if isinstance(books, CatalogueConfig) else board.root / books
    with file.open(encoding="utf-8", newline="") as lines:
        rows = csv.DictReader(lines)
        if "barcode" not in (rows.fieldnames or ()):
            problem = Problem(
                str(file), 1, "", f"expected a column 'barcode', got {rows.fieldnames}"
            )
            raise ConfigError((problem,))
        for row in rows:
            if (row.get("converted") or "").strip().lower() not in _TRUE and row["barcode"]:
                yield row["barcode"].strip()


def _cached(board: Board, config: CatalogueConfig) -> Path:
    """The answer of the command, asked again when it is too old; never half an answer."""
    file = board.state / "catalogue.csv"
    if file.is_file() and time.time() - file.stat().st_mtime < config.max_age.total_seconds():
        return file
    done = subprocess.run(  # noqa: S602 - the user wrote this command in a file of their own
        config.command, shell=True, cwd=board.root, capture_output=True, check=False, env=os.environ
    )
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        message = f"the command {config.command!r} failed: {said or done.returncode}"
        raise ConfigError((Problem(str(board.file), 0, "global.all_books", message),))
    file.parent.mkdir(parents=True, exist_ok=True)
    replace_file(file, done.stdout)
    return file


def chosen(board: Board, sample: Sequence[str]) -> Iterator[str]:
    """The sample if there is one, else the catalogue."""
    return iter(sample) if sample else catalogue(board)
