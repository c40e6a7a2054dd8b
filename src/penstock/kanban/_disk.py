"""The system calls of this room, and nothing else: where durability is decided.

Paths are plain strings: these calls are the hot path of every bucket, and a `Path` costs as much as
the call itself.
"""

import ctypes
import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from penstock.files import sync_directory

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL
_RENAME_NOREPLACE = 1
_AT_FDCWD = -100
_UNSUPPORTED = {errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP}

_LIBC = ctypes.CDLL(None, use_errno=True)
_renameat2 = getattr(_LIBC, "renameat2", None)
_syncfs = getattr(_LIBC, "syncfs", None)


class Disk:
    """Files and names of one file system.

    Tests put a recorder in its place, which then loses what no `sync` has made durable.
    """

    def write(self, path: str, data: bytes, *, sync: bool) -> None:
        """Make a new file; its content is durable on return if `sync`.

        Raises:
            FileExistsError: There is such a file.
        """
        descriptor = os.open(path, _NEW, 0o666)
        try:
            written = os.write(descriptor, data)
            while written < len(data):
                written += os.write(descriptor, data[written:])
            if sync:
                os.fsync(descriptor)
        except OSError:
            os.close(descriptor)
            os.unlink(path)
            raise
        os.close(descriptor)

    def rename(self, source: str, target: str) -> None:
        """Give a file another name, replacing what has that name."""
        os.rename(source, target)

    def rename_new(self, source: str, target: str) -> None:
        """Give a file a name that no other file has; one step, the file never has two names.

        Raises:
            FileExistsError: The name is taken; nothing was changed.
        """
        if _renameat2 is None:
            self._rename_checked(source, target)
            return
        arguments = (os.fsencode(source), _AT_FDCWD, os.fsencode(target), _RENAME_NOREPLACE)
        if _renameat2(_AT_FDCWD, *arguments) == 0:
            return
        code = ctypes.get_errno()
        if code in _UNSUPPORTED:
            self._rename_checked(source, target)
            return
        raise OSError(code, os.strerror(code), source, None, target)

    def _rename_checked(self, source: str, target: str) -> None:
        """Where the kernel or the file system has no such call: look, then rename.

        All programs of ours enter a bucket under its lock or with an id of their own, so only a
        file that somebody else puts there in the same microseconds could be replaced.
        """
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), source, None, target)
        self.rename(source, target)

    def remove(self, path: str) -> None:
        """Remove a file."""
        os.unlink(path)

    def make_directory(self, path: str) -> None:
        """Make a directory; that it exists is fine."""
        try:
            os.mkdir(path)
        except FileExistsError:
            if not os.path.isdir(path):
                raise

    def remove_directory(self, path: str) -> None:
        """Remove an empty directory."""
        os.rmdir(path)

    def read(self, path: str) -> bytes:
        """The whole of a small file."""
        descriptor = os.open(path, os.O_RDONLY)
        try:
            data = os.read(descriptor, 16_384)
            if len(data) < 16_384:
                return data
            parts = [data]
            while data := os.read(descriptor, 1 << 20):
                parts.append(data)
            return b"".join(parts)
        finally:
            os.close(descriptor)

    def sync_directory(self, path: str) -> None:
        """Make the names in a directory survive a power cut."""
        sync_directory(path)

    def sync_all(self, path: str) -> None:
        """Make everything on the file system of `path` survive a power cut: syncfs(2)."""
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            if _syncfs is None or _syncfs(descriptor):
                os.sync()
        finally:
            os.close(descriptor)

    def set_time(self, path: str, seconds: float) -> None:
        """Set the time of modification."""
        os.utime(path, (seconds, seconds))


def names_in(path: str) -> list[str]:
    """The names in a directory; none where there is no such directory."""
    try:
        return os.listdir(path)
    except FileNotFoundError:
        return []


def exists(path: str) -> bool:
    """Whether a name is taken."""
    return os.path.lexists(path)


@contextmanager
def locked(path: str) -> Iterator[None]:
    """Hold the lock of a file while the block runs, waiting for it; the kernel frees it at death."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def try_lock(path: str) -> int | None:
    """The descriptor that holds the lock of a file, or None while another process holds it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def same_file(descriptor: int, path: str) -> bool:
    """Whether `path` is still the name of the open file."""
    try:
        there = os.stat(path)
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(descriptor), there)
