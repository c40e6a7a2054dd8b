"""What the dead held: taken back, with their lock in hand, exactly once."""

import os
from contextlib import suppress

from penstock.kanban._bucket import Bucket
from penstock.kanban._disk import names_in
from penstock.kanban._errors import TokenError
from penstock.kanban._places import token_names
from penstock.kanban._returning import put_back, refuse
from penstock.kanban._settlement import DECIDED, OPEN, carry_out, clear, target_of
from penstock.kanban._sitting import leave_seat, seat_of_the_dead
from penstock.kanban._token import SUFFIX, Priority, Visit, stamp

_NOTED = 64
_ABANDONED_S = 3600.0
DIED = "the worker died with it in hand"


def recover(bucket: Bucket, *, crash_limit: int = 5, reason: str = DIED, only: str = "") -> int:
    """Take back the claims of workers that have died, and finish what they had decided.

    Safe at any time and from any number of processes: a living worker, stopped or not, keeps its
    lock and is left alone; of several rivals one gets the lock of a dead one.

    A death counts as a failed attempt of each token in hand; one that `crash_limit` workers died of
    goes to `errors/`. The marks are left out for a worker that held more than 64 claims: it died of
    none of them in particular.

    Args:
        bucket: Whose claims.
        crash_limit: Attempts after which a token is thought to kill its worker.
        reason: Goes into the history of the tokens.
        only: Look at the worker of this name alone.

    Returns:
        How many tokens wait again.

    Raises:
        BucketError: The directory does not allow it; the rest is taken back by the next call.
    """
    taken = 0
    with bucket.translated():
        for folder in list(bucket.places.workers()):
            if only and os.path.basename(folder) != only:
                continue
            descriptor = seat_of_the_dead(folder)
            if descriptor is None:
                continue
            try:
                taken += _empty(bucket, folder, crash_limit, reason)
            finally:
                os.close(descriptor)
        _sweep(bucket)
    return taken


def _empty(bucket: Bucket, folder: str, crash_limit: int, reason: str) -> int:
    for name in names_in(folder):
        path = f"{folder}/{name}"
        if name.endswith(DECIDED):
            _finish(bucket, path)
        elif name.endswith(OPEN):
            clear(bucket, path)
        elif name.endswith(".tmp"):
            bucket.disk.remove(path)
    names = token_names(folder)
    with bucket.entry():
        for name in names:
            if len(names) > _NOTED:
                _put_back_as_it_is(bucket, folder, name)
            else:
                _take_back(bucket, f"{folder}/{name}", crash_limit, reason)
            bucket.failpoints.cross("recovery.taken")
    if bucket.sync and names:
        bucket.disk.sync_all(folder)
    leave_seat(folder, bucket)
    return len(names)


def _finish(bucket: Bucket, folder: str) -> None:
    if "plan" not in names_in(folder):  # it died between the last two steps
        clear(bucket, folder)
        return
    carry_out(folder, bucket, target_of(folder, bucket))


def _put_back_as_it_is(bucket: Bucket, folder: str, name: str) -> None:
    """Two in three of its microseconds are the system's: there may be a million of them.

    A token of normal priority need not be parsed: what is no token shows when it is claimed.
    """
    path, identity = f"{folder}/{name}", name.removesuffix(SUFFIX)
    if b'"priority"' not in bucket.disk.read(path):
        with suppress(FileExistsError):
            bucket.disk.rename_new(path, bucket.places.waiting(identity, Priority.NORMAL))
            return
    try:
        put_back(bucket, path, bucket.read(path))
    except TokenError as error:
        refuse(bucket, path, str(error))


def _take_back(bucket: Bucket, path: str, crash_limit: int, reason: str) -> None:
    try:
        token = bucket.read(path)
    except TokenError as error:
        refuse(bucket, path, str(error))
        return
    now = stamp(bucket.clock.now())
    visit = Visit(bucket.name, os.path.basename(os.path.dirname(path)), "", now, "crash", reason)
    attempts = token.attempts + 1
    hopeless = attempts >= crash_limit
    why = f"{reason}, attempt {attempts} of {crash_limit}" if hopeless else ""
    changed = token.with_visit(visit, attempts=attempts, reason=why)
    with suppress(FileNotFoundError):
        bucket.disk.remove(f"{path}.tmp")
    bucket.disk.write(f"{path}.tmp", changed.encode(), sync=bucket.sync)
    bucket.disk.rename(f"{path}.tmp", path)
    if hopeless:
        bucket.disk.rename_new(path, bucket.places.free_error(token.id))
    else:
        put_back(bucket, path, changed)


def _sweep(bucket: Bucket) -> None:
    """Remove what writers that died more than an hour ago left half-written."""
    now = bucket.clock.now().timestamp()
    for name in names_in(bucket.places.tmp):
        path = f"{bucket.places.tmp}/{name}"
        if name.startswith("."):
            continue
        with suppress(FileNotFoundError):
            if now - os.stat(path).st_mtime > _ABANDONED_S:
                bucket.disk.remove(path)
