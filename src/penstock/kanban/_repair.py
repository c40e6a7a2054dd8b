"""What a person does to tokens: have another try at errors, hold some back, let them go on."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from secrets import token_hex
from typing import Any

from penstock.kanban._bucket import Bucket
from penstock.kanban._disk import exists
from penstock.kanban._errors import TokenError
from penstock.kanban._places import token_names
from penstock.kanban._returning import put_back
from penstock.kanban._seat import Seat
from penstock.kanban._token import SUFFIX, Token, Visit, stamp

_AGAIN: dict[str, Any] = {"attempts": 0, "reason": "", "not_before": ""}


def retry(bucket: Bucket, ids: frozenset[str] | None = None) -> int:
    """Let tokens that lie in `errors/` or are delayed wait again, their attempts forgotten.

    Args:
        bucket: Whose.
        ids: Which; by default all.

    Returns:
        How many; one that cannot be read stays where it is.
    """
    count = 0
    with _operator(bucket) as seat:
        for folder in (bucket.places.errors, bucket.places.delayed):
            for path in _named(folder, ids):
                held = _take(bucket, seat, path)
                if held is None:
                    continue
                _back(bucket, held, _visited(bucket, seat, held, "released", **_AGAIN))
                if exists(note := f"{path}.reason"):
                    bucket.disk.remove(note)
                count += 1
    return count


def hold(bucket: Bucket, ids: frozenset[str] | None = None) -> int:
    """Put tokens that wait or are delayed into `held/`, where nobody takes them; returns how many."""
    count = 0
    places = bucket.places
    with _operator(bucket) as seat:
        for folder in (*bucket.shelves(), places.delayed):
            for path in _named(folder, ids):
                held = _take(bucket, seat, path)
                if held is None:
                    continue
                _visited(bucket, seat, held, "held", not_before="")
                try:
                    bucket.disk.rename_new(held, f"{places.held}/{os.path.basename(held)}")
                    count += 1
                except FileExistsError:  # one of this id is held already
                    with bucket.entry():
                        put_back(bucket, held, bucket.read(held))
    return count


def release(bucket: Bucket, ids: frozenset[str] | None = None, *, most: int = 0) -> int:
    """Let tokens that are held wait, the oldest first, as far as there is room; returns how many.

    Args:
        bucket: Whose.
        ids: Which; by default all.
        most: At most so many; 0 sets no limit.
    """
    count = 0
    with _operator(bucket) as seat:
        for path in sorted(_named(bucket.places.held, ids), key=_age):
            if most and count == most:
                break
            with bucket.entry():  # once it is in hand, it counts as content
                if bucket.limit and not bucket.room().take(_size(bucket, path)):
                    break
                held = _take(bucket, seat, path)
            if held is not None:
                _back(bucket, held, _visited(bucket, seat, held, "released"))
                count += 1
    return count


@contextmanager
def _operator(bucket: Bucket) -> Iterator[Seat]:
    with Seat(bucket, f"operator-{token_hex(4)}") as seat, bucket.translated():
        yield seat


def _named(folder: str, ids: frozenset[str] | None) -> list[str]:
    names = token_names(folder)
    return [f"{folder}/{n}" for n in names if ids is None or n.removesuffix(SUFFIX) in ids]


def _take(bucket: Bucket, seat: Seat, path: str) -> str | None:
    """Only who holds a token may rewrite it: it goes through the operator's own hands."""
    held = f"{bucket.places.claimed}/{seat.worker}/{os.path.basename(path)}"
    try:
        bucket.read(path)
        bucket.disk.rename(path, held)
    except (FileNotFoundError, TokenError):
        return None
    return held


def _visited(bucket: Bucket, seat: Seat, held: str, result: str, **changes: Any) -> Token:
    token = bucket.read(held)
    now = stamp(bucket.clock.now())
    visit = Visit(bucket.name, seat.worker, now, now, result, token.reason)
    changed = token.with_visit(visit, **changes)
    bucket.disk.write(f"{held}.tmp", changed.encode(), sync=bucket.sync)
    bucket.disk.rename(f"{held}.tmp", held)
    return changed


def _back(bucket: Bucket, held: str, token: Token) -> None:
    with bucket.entry():
        put_back(bucket, held, token)


def _size(bucket: Bucket, path: str) -> int:
    try:
        return bucket.read(path).size
    except (FileNotFoundError, TokenError):
        return 0


def _age(path: str) -> float:
    try:
        return os.stat(path).st_mtime
    except FileNotFoundError:
        return 0.0
