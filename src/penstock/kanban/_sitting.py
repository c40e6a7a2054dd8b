"""Who is alive: a lock per worker, held for as long as it lives."""

import fcntl
import os
from contextlib import suppress

from penstock.kanban._bucket import Bucket
from penstock.kanban._disk import names_in, same_file, try_lock
from penstock.kanban._places import ALIVE


def take_seat(folder: str, bucket: Bucket) -> int:
    """Make a worker's directory and hold its lock; returns the descriptor that holds it.

    While another worker of this name lives, or is being recovered, it waits.
    """
    while True:
        bucket.disk.make_directory(folder)
        path = f"{folder}/{ALIVE}"
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:
            continue  # a recovery found the directory empty and removed it
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if same_file(descriptor, path):
            return descriptor
        os.close(descriptor)


def leave_seat(folder: str, bucket: Bucket) -> None:
    """Remove an empty directory, its lock in hand."""
    if names_in(folder) == [ALIVE]:
        bucket.disk.remove(f"{folder}/{ALIVE}")
        bucket.disk.remove_directory(folder)


def seat_of_the_dead(folder: str) -> int | None:
    """The lock of a worker that has died; None while it lives, stopped or not, or if it is gone."""
    with suppress(FileNotFoundError):
        path = f"{folder}/{ALIVE}"
        descriptor = try_lock(path)
        if descriptor is not None and same_file(descriptor, path):
            return descriptor
        if descriptor is not None:
            os.close(descriptor)
    return None
