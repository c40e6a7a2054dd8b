"""Stores by URL, sharing connections."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from obstore.exceptions import BaseError
from obstore.store import MemoryStore, from_url
from obstore.store import ObjectStore as Client

from penstock.storage._errors import LocationError
from penstock.storage._local import LocalStore
from penstock.storage._remote import RemoteStore
from penstock.storage._store import ObjectStore

if TYPE_CHECKING:
    from obstore.store import RetryConfig

_ALIASES = {"s3a": "s3"}
_REMOTE = frozenset({"s3", "gs", "az", "azure", "abfs", "abfss", "memory"})
# obstore takes these apart from the store's own options, and panics on some that it finds there.
_CLIENT_OPTIONS = frozenset(
    {
        "allow_http",
        "allow_invalid_certificates",
        "connect_timeout",
        "http1_only",
        "pool_idle_timeout",
        "proxy_url",
        "read_timeout",
        "root_certificate",
        "timeout",
        "user_agent",
    }
)


class StoragePool:
    """Opens stores, with one client per bucket and set of options. Safe to use from many threads."""

    def __init__(self, *, connection_pooling: bool = True, retries: int = 3) -> None:
        """Make an empty pool.

        Args:
            connection_pooling: False gives every store that is opened a client of its own.
            retries: How often a client repeats a request itself, for at most 30 s in all.
        """
        self._pooling = connection_pooling
        self._retries = retries
        self._clients: dict[tuple[str, str, frozenset[tuple[str, str]]], Client] = {}
        self._lock = Lock()

    def open(self, url: str, options: Mapping[str, str] | None = None) -> ObjectStore:
        """A store over everything below `url`. Nothing is read or written yet.

        Args:
            url: A local path, `file://`, `s3://` (or `s3a://`), or another that obstore knows;
                `memory://NAME` is shared by all that open it through this pool.
            options: What the store needs to know, with the keys that deltalake takes too:
                `aws_access_key_id`, `aws_endpoint_url` and so on, in any case.

        Raises:
            LocationError: The scheme or an option is not known.
        """
        scheme, bucket, path = _parts(url)
        if scheme == "file":
            return LocalStore(Path(path))
        client = self._client(scheme, bucket, options or {})
        return RemoteStore(client, f"{scheme}://{bucket}/{path}", path)

    @property
    def clients(self) -> int:
        """How many clients are kept for sharing."""
        with self._lock:
            return len(self._clients)

    def _client(self, scheme: str, bucket: str, options: Mapping[str, str]) -> Client:
        identity = scheme, bucket, frozenset((k.lower(), str(v)) for k, v in options.items())
        with self._lock:
            shared = self._pooling or scheme == "memory"
            client = self._clients.get(identity) if shared else None
            if client is None:
                client = _connect(scheme, bucket, options, self._retries)
                if shared:
                    self._clients[identity] = client
            return client


def open_store(url: str, options: Mapping[str, str] | None = None) -> ObjectStore:
    """One store with a client of its own; see `StoragePool.open`."""
    return StoragePool(connection_pooling=False).open(url, options)


def split_options(options: Mapping[str, str]) -> tuple[Any, Any]:
    """Return what obstore takes as `config` and as `client_options`, from keys as deltalake takes them."""
    client = {}
    config = {}
    for key, value in options.items():
        short = key.lower().removeprefix("aws_")
        if short in _CLIENT_OPTIONS:
            client[short] = str(value)
        else:
            config[key.lower()] = str(value)
    return config, client


def _parts(url: str) -> tuple[str, str, str]:
    if "://" not in url:
        return "file", "", str(Path(url).absolute())
    split = urlsplit(url)
    scheme = _ALIASES.get(split.scheme.lower(), split.scheme.lower())
    if scheme == "file":
        if split.netloc not in {"", "localhost"}:
            raise LocationError(url, f"a file URL has no host; write file:///{split.netloc}...")
        return "file", "", unquote(split.path)
    if scheme not in _REMOTE:
        known = ", ".join(sorted(_REMOTE | {"file"}))
        raise LocationError(url, f"unknown scheme {split.scheme!r}; there are: {known}")
    if not split.netloc:
        raise LocationError(url, f"the bucket is missing; write {scheme}://BUCKET/PATH")
    return scheme, split.netloc, split.path.strip("/")


def _connect(scheme: str, bucket: str, options: Mapping[str, str], retries: int) -> Client:
    if scheme == "memory":
        return MemoryStore()
    config, client = split_options(options)
    retry: RetryConfig = {"max_retries": retries, "retry_timeout": timedelta(seconds=30)}
    try:
        return from_url(
            f"{scheme}://{bucket}", config=config, client_options=client, retry_config=retry
        )
    except (BaseError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise LocationError(f"{scheme}://{bucket}", reason) from error
