"""Which source files there are, and which of them have come to rest."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from penstock.base import Clock, Value
from penstock.ingest._plan import FileVersion
from penstock.storage import LocalStore, ObjectMeta, ObjectStore

_ENDINGS = tuple(
    kind + packing for kind in (".ndjson", ".jsonl", ".json") for packing in ("", ".gz", ".zst")
)


class Found(Value):
    """What one look at the sources gave."""

    files: tuple[FileVersion, ...]
    """Files at rest, by source, then by name."""

    young: int
    """Local files that may still be written to."""


class Discovery:
    """Lists the sources of a pipeline. No order of names or times is assumed between two looks.

    A local file is at rest when its size and time of modification have stood still for `settle`:
    by its own time, or, where that lies in the future, since it was first seen so.
    An object in a bucket appears whole, so it is at rest at once.
    """

    def __init__(
        self,
        sources: Mapping[str, ObjectStore],
        *,
        clock: Clock,
        settle: timedelta,
        prefixes: Callable[[datetime], Sequence[str]] = lambda _: ("",),
    ) -> None:
        """Look at nothing yet.

        Args:
            sources: Where each source's files are, by its key.
            clock: Tells how long a file has stood still.
            settle: Zero takes every file as it is.
            prefixes: The folders below each source to list at a time, none in another; all by default.
        """
        self._sources = dict(sources)
        self._clock = clock
        self._settle = settle
        self._prefixes = prefixes
        self._seen: dict[tuple[str, str], tuple[str, float]] = {}

    def look(self) -> Found:
        """List all sources.

        Raises:
            StoreUnavailableError: One cannot be listed; nothing is known about its files then.
        """
        files: list[FileVersion] = []
        waiting: dict[tuple[str, str], tuple[str, float]] = {}
        prefixes = self._prefixes(self._clock.now())
        for source, store in sorted(self._sources.items()):
            local = isinstance(store, LocalStore)
            for meta in _wanted(store, prefixes):
                since = self._since(source, meta) if local else None
                if since is None:
                    files.append(
                        FileVersion(
                            source=source, name=meta.name, size=meta.size, version=meta.version
                        )
                    )
                else:
                    waiting[source, meta.name] = meta.version, since
        self._seen = waiting
        return Found(tuple(files), len(waiting))

    def absent(self) -> Iterator[tuple[str, str]]:
        """The local sources whose directory is not there, each with its path."""
        for source, store in sorted(self._sources.items()):
            if isinstance(store, LocalStore) and not Path(store.url).is_dir():
                yield source, store.url

    def _since(self, source: str, meta: ObjectMeta) -> float | None:
        """Since when a file that is not yet at rest has looked as it does; None for one at rest."""
        if timedelta(0) <= self._settle <= self._clock.now() - meta.last_modified:
            return None
        now = self._clock.monotonic()
        version, since = self._seen.get((source, meta.name), (meta.version, now))
        if version != meta.version:
            since = now
        return None if now - since >= self._settle.total_seconds() else since


def listed(name: str) -> bool:
    """Whether a name is a source file's: a known ending, and no part that begins with `_` or `.`.

    >>> [listed(name) for name in ("a/b.ndjson.gz", "b.JSON", "_tmp/b.json", "a/.b.json", "b.csv")]
    [True, True, False, False, False]
    """
    hidden = any(part.startswith(("_", ".")) for part in name.split("/"))
    return name.lower().endswith(_ENDINGS) and not hidden


def _wanted(store: ObjectStore, prefixes: Sequence[str]) -> Iterator[ObjectMeta]:
    return (meta for prefix in prefixes for meta in store.list(prefix) if listed(meta.name))
