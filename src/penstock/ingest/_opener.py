"""How planned files are opened: from their sources' stores, or out of the dead letters."""

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import BinaryIO, cast

from penstock.ingest._errors import (
    CorruptFileError,
    FileChangedError,
    FileError,
    FileGoneError,
)
from penstock.ingest._plan import FileVersion
from penstock.ingest._replay import REPLAY_SOURCE, LetterShelf, ReplayedLines
from penstock.storage import (
    ChangedError,
    NotFoundError,
    ObjectStore,
    StorageError,
    StoreUnavailableError,
)


class StoreOpener:
    """Opens exactly the version that was planned. Safe to call from many threads.

    A store that fails goes through as StoreUnavailableError: whose fault it is, is not known yet.
    """

    def __init__(self, sources: Mapping[str, ObjectStore], dead_letters: ObjectStore) -> None:
        """Say where the files are; nothing is opened yet."""
        self._sources = dict(sources)
        self._shelf = LetterShelf(dead_letters)

    @contextmanager
    def open_file(self, file: FileVersion) -> Iterator[BinaryIO]:
        """See `FileOpener`."""
        try:
            if file.source == REPLAY_SOURCE:
                lines = ReplayedLines(self._shelf.letters(file.name))
                yield cast("BinaryIO", io.BufferedReader(lines))
                return
            with self._store(file).open(file.name, version=file.version) as stored:
                yield cast("BinaryIO", stored)
        except NotFoundError as error:
            raise FileGoneError(str(error)) from error
        except ChangedError as error:
            raise FileChangedError(str(error)) from error

    def answers(self, file: FileVersion) -> bool:
        """Whether the store of a file that cannot be read answers otherwise; then the file is at fault."""
        try:
            next(self._store(file).list(), None)
        except StorageError:
            return False
        return True

    def _store(self, file: FileVersion) -> ObjectStore:
        store = self._sources.get(file.source)
        if store is None:
            raise FileGoneError(f"there is no source {file.source!r} any more")
        return store


class RefusingOpener:
    """Opens nothing: for a file whose retries are spent while its store answers."""

    def __init__(self, last: StoreUnavailableError) -> None:
        """Say what happened at the last try."""
        self._last = last

    @contextmanager
    def open_file(self, _: FileVersion) -> Iterator[BinaryIO]:
        """See `FileOpener`."""
        yield self._refuse()

    def _refuse(self) -> BinaryIO:
        raise CorruptFileError(FileError.UNREADABLE, self._last.reason) from self._last
