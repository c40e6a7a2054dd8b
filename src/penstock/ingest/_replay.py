"""Dead letters: listing those that stand, and putting their lines through again.

A replay is a plan like any other. Its files are dead-letter files, in a source of their own whose
key no user can give; a name is taken once per source, so a dead-letter file is replayed once, and
all that holds for plans holds for it: whoever dies, its lines are in the table exactly once, or in
the dead letters of the replay. Line n + 1 of such a file's text is the line that its letter n holds.
"""

import io
from collections.abc import Iterable, Iterator
from typing import BinaryIO, cast

from msgspec.structs import replace

from penstock.base import Value
from penstock.ingest._dead_letters import DeadLetter, read_dead_letters
from penstock.ingest._history import PastPlan
from penstock.ingest._plan import FileVersion
from penstock.ingest._seal import FileState
from penstock.ingest._standing import Settlement
from penstock.storage import ObjectStore

REPLAY_SOURCE = "_replay"
"""The source of replayed dead letters."""


class Standing(Value):
    """The dead letters of one file that no replay has taken."""

    file: FileVersion
    """As a replay would plan it."""

    taken: bool
    """Whether a replay has taken it; only what cannot be replayed still stands then."""


def standing(history: Iterable[PastPlan]) -> list[Standing]:
    """The dead-letter files of all committed plans, in the order of their plans."""
    found: dict[str, FileVersion] = {}
    taken: set[str] = set()
    for past in history:
        if past.settlement is not Settlement.COMMITTED or past.seal is None:
            continue
        letters = past.seal.dead_letters
        if letters is not None:
            found[letters.name] = FileVersion(
                source=REPLAY_SOURCE, name=letters.name, size=letters.size, version=letters.sha256
            )
        for file, outcome in zip(past.plan.files, past.seal.outcomes, strict=True):
            if file.source == REPLAY_SOURCE and outcome.state is FileState.ROWS:
                taken.add(file.name)
    return [Standing(file, name in taken) for name, file in found.items()]


def replayable(letter: DeadLetter) -> bool:
    """Whether the letter holds a whole line; whole files and cut lines can only be given anew."""
    return letter.line > 0 and letter.complete


class LetterShelf:
    """Reads dead-letter files."""

    def __init__(self, store: ObjectStore) -> None:
        """Over the root of the dead letters; nothing is read yet."""
        self._store = store
        self._origins: dict[str, list[DeadLetter]] = {}

    def standing(self, files: Iterable[Standing]) -> Iterator[DeadLetter]:
        """The letters that still stand, each with the place it first came from.

        Raises:
            NotFoundError: A dead-letter file is missing.
            RecordError: One is damaged.
        """
        for found in files:
            for letter in self.letters(found.file.name):
                if not (found.taken and replayable(letter)):
                    yield self._with_origin(letter)

    def letters(self, name: str) -> Iterator[DeadLetter]:
        """The letters of one file, as they were written."""
        with self._store.open(name) as stored:
            buffered = cast("BinaryIO", io.BufferedReader(stored))
            yield from read_dead_letters(buffered, place=f"{self._store.url}/{name}")

    def _with_origin(self, letter: DeadLetter) -> DeadLetter:
        """A letter that died in a replay names the line it came from, not the file that was replayed."""
        if letter.source != REPLAY_SOURCE or letter.line < 2:
            return letter
        if letter.name not in self._origins:
            self._origins[letter.name] = list(self.letters(letter.name))
        origin = self._with_origin(self._origins[letter.name][letter.line - 2])
        place = {
            key: getattr(origin, key) for key in ("source", "name", "version", "line", "offset")
        }
        return replace(letter, **place)


class ReplayedLines(io.RawIOBase):
    """The text of a replayed file: an empty line, then one line per letter, empty where it holds none.

    The first line is empty so that nothing at the start of a letter counts as the start of a file.
    """

    def __init__(self, letters: Iterator[DeadLetter]) -> None:
        self._letters = letters
        self._rest = b"\n"

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]  # any buffer
        while not self._rest:
            letter = next(self._letters, None)
            if letter is None:
                return 0
            self._rest = (letter.raw if replayable(letter) else b"") + b"\n"
        piece = self._rest[: len(buffer)]
        self._rest = self._rest[len(piece) :]
        buffer[: len(piece)] = piece
        return len(piece)
