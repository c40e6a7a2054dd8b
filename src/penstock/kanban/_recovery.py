"""What the dead held: taken back, with their lock in hand, exactly once."""

import os
from collections.abc import Sequence
from contextlib import suppress
from secrets import token_hex

from penstock.kanban._bucket import Bucket
from penstock.kanban._disk import names_in
from penstock.kanban._errors import TokenError
from penstock.kanban._places import ALIVE, token_names
from penstock.kanban._returned import clear_shelves
from penstock.kanban._returning import put_back, refuse
from penstock.kanban._settlement import DECIDED, OPEN, carry_out, clear, target_of
from penstock.kanban._sitting import leave_seat, seat_of_the_dead
from penstock.kanban._token import Priority, Visit, stamp

_NOTED = 64
_ABANDONED_S = 3600.0
DIED = "the worker died with it in hand"


def recover(bucket: Bucket, *, crash_limit: int = 5, reason: str = DIED, only: str = "") -> int:
    """Take back the claims of workers that have died, and finish what they had decided.

    Safe at any time and from any number of processes: a living worker, stopped or not, keeps its
    lock and is left alone; of several rivals one gets the lock of a dead one.

    A death counts as a failed attempt of each token in hand; one that `crash_limit` workers died of
    goes to `errors/`. The marks are left out for a worker that held more than 64 claims: it died of
    none of them in particular, and its directory waits again as a whole, below `returned/`.

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
        clear_shelves(bucket.places, bucket.disk)
        _sweep(bucket)
    return taken


def _empty(bucket: Bucket, folder: str, crash_limit: int, reason: str) -> int:
    _tidy(bucket, folder)
    names = token_names(folder)
    as_a_whole = False
    with bucket.entry():
        if len(names) > _NOTED:
            as_a_whole = _return(bucket, folder, names)
        else:
            for name in names:
                _take_back(bucket, f"{folder}/{name}", crash_limit, reason)
                bucket.failpoints.cross("recovery.taken")
    if bucket.sync and names:
        bucket.disk.sync_all(bucket.places.claimed)
    if not as_a_whole:  # else another worker of this name may sit there by now
        leave_seat(folder, bucket)
    return len(names)


def _tidy(bucket: Bucket, folder: str) -> None:
    """Finish what was decided, and forget what was not."""
    for name in names_in(folder):
        path = f"{folder}/{name}"
        if name.endswith(DECIDED):
            _finish(bucket, path)
        elif name.endswith(OPEN):
            clear(bucket, path)
        elif name.endswith(".tmp"):
            bucket.disk.remove(path)


def _return(bucket: Bucket, folder: str, names: Sequence[str]) -> bool:
    """Let the tokens of a worker that held many wait again as they are; whether as a whole.

    One rename of its directory does so for all but those that need a look of their own.
    """
    apart = _apart(bucket, folder, names)
    for name in apart:
        _put_back_as_it_is(bucket, f"{folder}/{name}")
        bucket.failpoints.cross("recovery.taken")
    if len(apart) == len(names):
        return False
    shelf = f"{bucket.places.returned}/{os.path.basename(folder)}.{token_hex(4)}"
    _move(bucket, folder, shelf)
    bucket.failpoints.cross("recovery.returned")
    with suppress(FileNotFoundError):
        bucket.disk.remove(f"{shelf}/{ALIVE}")
    return True


def _move(bucket: Bucket, folder: str, shelf: str) -> None:
    while True:
        bucket.disk.make_directory(bucket.places.returned)
        try:
            bucket.disk.rename(folder, shelf)
        except FileNotFoundError:
            if not os.path.isdir(folder):
                raise
            continue  # somebody found `returned` empty and removed it
        return


def _apart(bucket: Bucket, folder: str, names: Sequence[str]) -> list[str]:
    """The tokens that may not wait on a shelf: of another priority than normal, or put anew.

    They need not be parsed for that: what is no token shows when it is claimed. Where a person has
    put something beside them, all of them are.
    """
    ours = {*names, ALIVE}
    if any(name not in ours for name in names_in(folder)):
        return list(names)
    shelves = (*bucket.places.shelves(Priority.NORMAL), *bucket.places.returned_shelves())
    anew = {name for shelf in shelves for name in token_names(shelf) if name in ours}
    read = bucket.disk.read
    return [name for name in names if name in anew or b'"priority"' in read(f"{folder}/{name}")]


def _finish(bucket: Bucket, folder: str) -> None:
    if "plan" not in names_in(folder):  # it died between the last two steps
        clear(bucket, folder)
        return
    carry_out(folder, bucket, target_of(folder, bucket))


def _put_back_as_it_is(bucket: Bucket, path: str) -> None:
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
