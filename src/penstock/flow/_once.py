"""Effects that must happen once: which of them are done, as files that survive any death."""

import asyncio
import fcntl
import hashlib
import os
from pathlib import Path
from types import TracebackType

from penstock.files import sync_directory
from penstock.flow._source import call_in_thread

_PATIENCE = 0.01


class EffectStore:
    """One empty file per effect that is done, named by the digest of its key.

    An effect at work holds the lock of a file below `open/`; done, that file is renamed, and the
    directory synced. The kernel frees the lock of whoever dies, so nobody waits for the dead. Any
    number of threads and processes may share a directory.
    """

    def __init__(self, directory: str, *, durable: bool) -> None:
        self._directory = Path(directory)
        self._open = self._directory / "open"
        self._durable = durable

    def claim(self, name: str, *, wait: bool) -> int | None:
        """The right to bring the effect about, or None where it is done.

        Raises:
            BlockingIOError: Somebody else is at it, and `wait` is False.
        """
        done = self._done(name)
        while not done.exists():
            self._open.mkdir(parents=True, exist_ok=True)
            handle = os.open(self._open / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
                # Whoever had the lock before may have given up its file, or renamed it.
                if os.fstat(handle).st_nlink and not done.exists():
                    return handle
            except BaseException:
                os.close(handle)
                raise
            os.close(handle)
        return None

    def settle(self, name: str, handle: int, *, done: bool) -> None:
        """Mark a claimed effect as done, durably, or give it up for the next attempt."""
        try:
            if done:
                self._mark(name)
            else:
                (self._open / name).unlink()
        finally:
            os.close(handle)

    def _mark(self, name: str) -> None:
        place = self._done(name)
        fresh = not place.parent.exists()
        place.parent.mkdir(exist_ok=True)
        (self._open / name).rename(place)
        if self._durable:
            sync_directory(place.parent)
            if fresh:
                sync_directory(self._directory)

    def _done(self, name: str) -> Path:
        return self._directory / name[:2] / name


class Once:
    """`with ctx.once(key) as first`, or `async with`: `first` says whether the effect is still to be done.

    It counts as done when the block ends without an error.
    """

    def __init__(self, store: EffectStore, scope: str, key: str) -> None:
        self._store = store
        self._name = hashlib.sha256(f"{scope}\0{key}".encode()).hexdigest()
        self._handle: int | None = None

    def __enter__(self) -> bool:
        """Wait for whoever is at it, in this process or another."""
        self._handle = self._store.claim(self._name, wait=True)
        return self._handle is not None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            self._store.settle(self._name, handle, done=kind is None)

    async def __aenter__(self) -> bool:
        """As `__enter__`, while other tasks go on."""
        while True:
            try:
                self._handle = self._store.claim(self._name, wait=False)
            except BlockingIOError:
                await asyncio.sleep(_PATIENCE)
            else:
                return self._handle is not None

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        handle, self._handle = self._handle, None
        if handle is None:
            return
        await call_in_thread(
            "penstock/once", lambda: self._store.settle(self._name, handle, done=kind is None)
        )
