"""Objects in S3 and whatever else obstore speaks."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError
from obstore.store import ObjectStore as Client

from penstock.storage._errors import (
    ChangedError,
    NotFoundError,
    StorageError,
    StoreUnavailableError,
    reason_of,
)
from penstock.storage._store import ObjectMeta, ObjectStore

if TYPE_CHECKING:
    import obstore

_READ_BYTES = 8 * 1024 * 1024
_PART_BYTES = 8 * 1024 * 1024
_PARTS_AT_ONCE = 4


class RemoteStore(ObjectStore):
    """Objects under a prefix of a bucket. The version of an object is its etag."""

    def __init__(self, client: Client, url: str, prefix: str = "") -> None:
        """Wrap a client.

        Args:
            client: The connection; may be shared.
            url: For messages; without secrets.
            prefix: Where the keys of this store begin in the bucket.
        """
        self._client = client
        self._url = url.rstrip("/")
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""

    @property
    def url(self) -> str:
        return self._url

    def get(self, key: str) -> bytes:
        with self._translated(key):
            return bytes(self._client.get(self._prefix + key).bytes())

    def head(self, key: str) -> ObjectMeta | None:
        try:
            with self._translated(key):
                return self._meta(self._client.head(self._prefix + key))
        except NotFoundError:
            pass
        # The answer to HEAD has no body, so a missing bucket looks like a missing object: ask again.
        try:
            with self._translated(key):
                return self._meta(self._client.get(self._prefix + key).meta)
        except NotFoundError:
            return None

    def open(self, key: str, *, version: str | None = None, start: int = 0) -> io.RawIOBase:
        found = self.head(key)
        if found is None:
            raise NotFoundError(self._at(key))
        if version is not None and found.version != version:
            raise ChangedError(self._at(key), version, found.version)
        return _RemoteReader(self, found, start)

    def read_range(self, meta: ObjectMeta, start: int) -> bytes:
        """The next bytes of an object from `start`, at least one before its end.

        Raises:
            ChangedError: It is no longer the version of `meta`.
            NotFoundError: It is no longer there.
        """
        end = min(start + _READ_BYTES, meta.size)
        condition: Any = {"range": (start, end), "if_match": meta.version}
        try:
            with self._translated(meta.name):
                result = self._client.get(self._prefix + meta.name, options=condition)
                return bytes(result.bytes())
        except PreconditionError as error:
            raise ChangedError(self._at(meta.name), meta.version, "another") from error

    def list(self, prefix: str = "", *, start_after: str = "") -> Iterator[ObjectMeta]:
        folder = f"{self._prefix}{prefix.strip('/')}".rstrip("/") or None
        offset = self._prefix + start_after if start_after else None
        found: list[ObjectMeta] = []
        with self._translated(prefix):
            for page in self._client.list(folder, offset=offset, chunk_size=1000):
                found += [self._meta(item) for item in page]
        found = [meta for meta in found if meta.name > start_after]
        # S3 answers in order; the port promises it, and not every store that obstore speaks does.
        return iter(sorted(found, key=lambda meta: meta.name))

    def put(self, key: str, data: bytes) -> None:
        with self._translated(key):
            self._client.put(self._prefix + key, data, use_multipart=False)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        try:
            with self._translated(key):
                self._client.put(self._prefix + key, data, mode="create", use_multipart=False)
        except AlreadyExistsError:
            return self.get(key) == data
        except StoreUnavailableError:
            # The answer may have been lost after the deed was done: what is there now decides.
            try:
                return self.get(key) == data
            except NotFoundError:
                pass
            raise
        return True

    def put_file(self, key: str, path: Path) -> None:
        with self._translated(key):
            self._client.put(
                self._prefix + key, path, chunk_size=_PART_BYTES, max_concurrency=_PARTS_AT_ONCE
            )

    def delete(self, key: str) -> None:
        try:
            with self._translated(key):
                self._client.delete(self._prefix + key)
        except NotFoundError:
            return

    def _at(self, key: str) -> str:
        return f"{self._url}/{key}"

    def _meta(self, found: "obstore.ObjectMeta") -> ObjectMeta:
        version = found["e_tag"] or found["version"] or found["last_modified"].isoformat()
        name = found["path"].removeprefix(self._prefix)
        return ObjectMeta(name, found["size"], version, found["last_modified"])

    @contextmanager
    def _translated(self, key: str) -> Iterator[None]:
        try:
            yield
        except (AlreadyExistsError, PreconditionError, StorageError):
            raise
        except FileNotFoundError as error:
            if "NoSuchBucket" in str(error):
                raise StoreUnavailableError(self._at(key), "the bucket does not exist") from error
            raise NotFoundError(self._at(key)) from error
        except (BaseError, OSError) as error:
            raise StoreUnavailableError(self._at(key), reason_of(error)) from error


class _RemoteReader(io.RawIOBase):
    """Reads one version of an object in ranges, so that a slow consumer holds no connection open."""

    def __init__(self, store: RemoteStore, meta: ObjectMeta, start: int) -> None:
        super().__init__()
        self._store = store
        self._meta = meta
        self._fetched = start
        self._chunk = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        if not self._chunk and self._fetched < self._meta.size:
            data = self._store.read_range(self._meta, self._fetched)
            self._fetched += len(data)
            self._chunk = memoryview(data)
        count = min(len(buffer), len(self._chunk))
        buffer[:count] = self._chunk[:count]
        self._chunk = self._chunk[count:]
        return count
