"""Objects by URL: the same few verbs over local files, S3 and whatever else obstore speaks.

Owns: `StoragePool`, the `ObjectStore` port, conditional put, reading one version, ordered listing,
local files that are written whole or not at all.
Promises: a reader never sees half an object; of rivals in `put_if_absent` one wins; a failure of
the store (`StoreUnavailableError`) is never taken for a missing object (`NotFoundError`).
Does not: decide which objects matter, retry on its own beyond its client's short retries, or keep
a cache.
"""

from penstock.storage._errors import (
    ChangedError,
    LocationError,
    NotFoundError,
    StorageError,
    StoreUnavailableError,
    reason_of,
)
from penstock.storage._local import LocalStore
from penstock.storage._pool import StoragePool, open_store, split_options
from penstock.storage._remote import RemoteStore
from penstock.storage._store import ObjectMeta, ObjectStore

__all__ = [
    "ChangedError",
    "LocalStore",
    "LocationError",
    "NotFoundError",
    "ObjectMeta",
    "ObjectStore",
    "RemoteStore",
    "StorageError",
    "StoragePool",
    "StoreUnavailableError",
    "open_store",
    "reason_of",
    "split_options",
]
