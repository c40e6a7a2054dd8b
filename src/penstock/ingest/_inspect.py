"""Looking at pipelines without changing anything: files, what would be planned, dead letters."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from penstock.base import Clock, ConfigError, Problem, SystemClock, Value, suggest
from penstock.ingest._config import PipelineConfig
from penstock.ingest._dead_letters import DeadLetter
from penstock.ingest._discovery import Discovery
from penstock.ingest._file_states import FileRow, FileStanding, file_rows
from penstock.ingest._history import read_history
from penstock.ingest._load import IngestConfig
from penstock.ingest._places import Places
from penstock.ingest._plan import FileVersion
from penstock.ingest._planner import choose
from penstock.ingest._replay import LetterShelf, Standing, replayable, standing
from penstock.ingest._worker import discoveries, limits
from penstock.storage import StoragePool

_NO_WAIT = timedelta(0)


class PlannedFile(Value):
    """One file of a plan that would be made now."""

    pipeline: str
    plan: int
    """1 for the next plan, and so on."""
    source: str
    name: str
    size: int
    """Bytes as stored."""


class Inspector:
    """Reads the state of configured pipelines, afresh at each call.

    Every method may raise StoreUnavailableError, TableUnavailableError, and RecordError where what
    is stored is damaged.
    """

    def __init__(self, config: IngestConfig, *, clock: Clock | None = None) -> None:
        """Read nothing yet."""
        self._pipelines = config.pipelines
        self._pool = StoragePool(connection_pooling=config.shared.connection_pooling)
        self._clock = clock or SystemClock()

    def files(self) -> list[FileRow]:
        """The state of every file that is there or was ever taken; by pipeline, source and name."""
        return [row for key in self._pipelines for row in self._files(key)]

    def plans_ahead(self) -> list[PlannedFile]:
        """The plans that `run --once` would make now, settled files or not."""
        return [file for key in self._pipelines for file in self._plans_ahead(key)]

    def dead_letters(self) -> Iterator[DeadLetter]:
        """The dead letters that no replay has taken, in the order of their plans."""
        for key in self._pipelines:
            places = self._places(key)
            yield from LetterShelf(places.dead_letters).standing(self._standing(places, key))

    def replayable(self, keys: Sequence[str] = ()) -> dict[str, tuple[FileVersion, ...]]:
        """The dead-letter files that hold lines to put through again, by pipeline.

        Args:
            keys: Pipelines; all by default.

        Raises:
            ConfigError: There is no such pipeline.
        """
        problems = [
            Problem(
                "<arguments>", 0, key, "there is no such pipeline", suggest(key, [*self._pipelines])
            )
            for key in keys
            if key not in self._pipelines
        ]
        if problems:
            raise ConfigError(tuple(problems))
        found = {key: self._replayable(key) for key in keys or self._pipelines}
        return {key: files for key, files in found.items() if files}

    def _replayable(self, key: str) -> tuple[FileVersion, ...]:
        places = self._places(key)
        shelf = LetterShelf(places.dead_letters)
        return tuple(
            found.file
            for found in self._standing(places, key)
            if not found.taken and any(map(replayable, shelf.letters(found.file.name)))
        )

    def _files(self, key: str) -> list[FileRow]:
        places = self._places(key)
        history = read_history(places.root, places.table, key)
        return file_rows(key, history, self._listed(key, places))

    def _plans_ahead(self, key: str) -> Iterator[PlannedFile]:
        free = [row for row in self._files(key) if row.state is FileStanding.PENDING]
        left = [FileVersion(source=r.source, name=r.name, size=r.size, version="") for r in free]
        number = 0
        while left:
            number += 1
            chosen = choose(left, limits(self._pipelines[key]))
            left = left[len(chosen) :]
            yield from (PlannedFile(key, number, f.source, f.name, f.size) for f in chosen)

    def _listed(self, key: str, places: Places) -> Sequence[FileVersion]:
        looks: list[Discovery] = discoveries(
            self._config(key), places, self._clock, settle=_NO_WAIT
        )
        return [file for discovery in looks for file in discovery.look().files]

    def _standing(self, places: Places, key: str) -> list[Standing]:
        return standing(read_history(places.root, places.table, key))

    def _places(self, key: str) -> Places:
        return Places.open(key, self._config(key), self._pool)

    def _config(self, key: str) -> PipelineConfig:
        return self._pipelines[key]
