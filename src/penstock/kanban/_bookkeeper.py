"""Keeps the ledger as the buckets are, without anybody asking for it."""

import os
import time
from collections.abc import Iterator

from penstock.kanban._bucket import Bucket
from penstock.kanban._errors import TokenError
from penstock.kanban._ledger import CHOSEN, COMPLETED, FAILED, Item, Ledger, item_of
from penstock.kanban._load import Board
from penstock.kanban._places import is_token
from penstock.kanban._token import Priority

_BATCH = 1000
_MARGIN_S = 2.0
_FRESH_S = 0.1


class Bookkeeper:
    """Notes what has come to the ends of a board and into its errors since the last look."""

    def __init__(self, board: Board, ledger: Ledger) -> None:
        self._board = board
        self._ledger = ledger
        self._folders: dict[str, tuple[str, str, Bucket]] = {}
        self._seen: dict[str, tuple[int, float]] = {}
        for pipe in board.pipes:
            bucket = board.bucket(pipe)
            self._folders[bucket.places.errors] = (pipe, FAILED, bucket)
            if pipe in board.ends:
                for priority in Priority:
                    for shelf in bucket.places.shelves(priority):
                        self._folders[shelf] = (pipe, COMPLETED, bucket)

    def look(self) -> int:
        """Bring the ledger up to date; returns how many items were noted."""
        noted = 0
        batch: list[Item] = []
        for folder, (pipe, state, bucket) in self._folders.items():
            for path in self._news(folder):
                try:
                    batch.append(item_of(bucket.read(path), pipe, state))
                except (FileNotFoundError, TokenError):
                    continue
                if len(batch) == _BATCH:
                    self._ledger.note(batch)
                    noted += len(batch)
                    batch = []
        if batch:
            self._ledger.note(batch)
        return noted + len(batch)

    def _news(self, folder: str) -> Iterator[str]:
        """The files that came since the last look; some are given twice, none never.

        A token's time of modification is when it was last written, a moment before it moved here.
        """
        try:
            modified = os.stat(folder).st_mtime_ns
        except FileNotFoundError:
            return
        known, newest = self._seen.get(folder, (0, 0.0))
        if known == modified:
            return
        latest = newest
        with os.scandir(folder) as entries:
            for entry in entries:
                if not is_token(entry.name):
                    continue
                changed = entry.stat().st_ctime
                if changed >= newest - _MARGIN_S:
                    latest = max(latest, changed)
                    yield entry.path
        fresh = modified / 1e9 > time.time() - _FRESH_S  # more may come at the same instant
        self._seen[folder] = (0 if fresh else modified, latest)


def rebuild(board: Board, ledger: Ledger) -> int:
    """Make the ledger say what the buckets say: every token of every bucket; returns how many.

    Items of which no bucket holds a token are left as they are.
    """
    return sum(
        ledger.note(item_of(token, pipe, state) for token in board.bucket(pipe).tokens(part))
        for pipe in board.pipes
        for part, state in _states(pipe in board.ends).items()
    )


def _states(end: bool) -> dict[str, str]:  # noqa: FBT001 - one of two
    usual = COMPLETED if end else CHOSEN
    return {**dict.fromkeys(("waiting", "claimed", "delayed", "held"), usual), "errors": FAILED}
