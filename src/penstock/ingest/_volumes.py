"""Plans and outcomes that are settled, bound by the hundred: a long history is read in few requests."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Self

from penstock.base import Record, RecordError, Value
from penstock.ingest._layout import plan_key, seal_key, volume_key
from penstock.ingest._zstd import zstd
from penstock.storage import NotFoundError, ObjectStore, StorageError
from penstock.telemetry import get_logger

VOLUME_SIZE = 100
_THREADS = 8
_log = get_logger("ingest")


class Volume(Record, kw_only=True):
    """Copies of consecutive records, in the order of their numbers."""

    format: int = 1
    """Version of this record."""

    first: int
    """Number of the first plan in it."""

    plans: tuple[str, ...]
    """Each as it is stored, byte for byte."""

    seals: tuple[str | None, ...]
    """Likewise; None for a plan that was given up before it had an outcome."""

    def pack(self) -> bytes:
        """Equal volumes give equal bytes."""
        return zstd.compress(self.encode())

    @classmethod
    def unpack(cls, data: bytes, *, place: str) -> Self:
        """Read what `pack` wrote.

        Raises:
            RecordError: It is not such a volume.
        """
        try:
            plain = zstd.decompress(data)
        except zstd.ZstdError as error:
            raise RecordError(f"{place} is damaged: {error}") from error
        return cls.decode(plain, place=place)


class Copy(Value):
    """What a volume holds of one number."""

    plan: bytes
    seal: bytes | None


class Shelf:
    """Finds copies, with one volume in memory at a time. What is in no volume has to be read by itself."""

    def __init__(self, store: ObjectStore, pipeline: str, *, size: int = VOLUME_SIZE) -> None:
        """Read nothing yet; `store` lies over the table's root, `size` is a number of plans."""
        self._store = store
        self._pipeline = pipeline
        self._size = size
        self._volume: Volume | None = None

    def find(self, seq: int) -> Copy | None:
        """The copy of one number, or None. Meant to be asked in the order of the numbers."""
        if seq % self._size == 1 % self._size:
            self._volume = self._read(seq)
        volume = self._volume
        if volume is None or not volume.first <= seq < volume.first + len(volume.plans):
            return None
        seal = volume.seals[seq - volume.first]
        return Copy(
            volume.plans[seq - volume.first].encode(), None if seal is None else seal.encode()
        )

    def _read(self, first: int) -> Volume | None:
        key = volume_key(self._pipeline, first)
        try:
            return Volume.unpack(self._store.get(key), place=f"{self._store.url}/{key}")
        except NotFoundError:
            return None
        except RecordError as error:
            _log.warning(
                "a copy of the ledger is damaged; the originals are read", error=str(error)
            )
            return None


class Binder:
    """Binds each hundred plans when the last of them is settled.

    One that fails, or whose owner dies, is tried again with the first plan that this or another
    process settles after its start; rivals bind the same bytes. Without a volume a start takes
    longer, and that is all.
    """

    def __init__(
        self,
        store: ObjectStore,
        pipeline: str,
        *,
        size: int = VOLUME_SIZE,
        threads: int = _THREADS,
    ) -> None:
        """Bind nothing yet; `store` lies over the table's root, `threads` read at once."""
        self._store = store
        self._pipeline = pipeline
        self._size = size
        self._threads = threads
        self._bound = 0

    def settled(self, seq: int, open_plans: Iterable[int]) -> None:
        """Called when a plan is settled; `open_plans` are the numbers of those that are not."""
        last = seq - seq % self._size
        if last <= self._bound or any(number <= last for number in open_plans):
            return
        with suppress(StorageError):
            self._bind(last - self._size + 1)
            self._bound = last

    def _bind(self, first: int) -> None:
        key = volume_key(self._pipeline, first)
        if self._store.head(key) is not None:
            return
        numbers = range(first, first + self._size)
        plans = self._read([plan_key(self._pipeline, number) for number in numbers])
        seals = self._read([seal_key(self._pipeline, number) for number in numbers])
        found = tuple(plan for plan in plans if plan is not None)
        if len(found) == self._size:
            self._store.put_if_absent(key, Volume(first=first, plans=found, seals=seals).pack())

    def _read(self, keys: list[str]) -> tuple[str | None, ...]:
        if self._threads == 1:
            return tuple(map(self._text, keys))
        with ThreadPoolExecutor(self._threads, f"{self._pipeline}/bind") as pool:
            return tuple(pool.map(self._text, keys))

    def _text(self, key: str) -> str | None:
        try:
            return self._store.get(key).decode()
        except NotFoundError:
            return None
