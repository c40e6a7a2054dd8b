"""What the dead held in large numbers: their own directories, moved to where it waits again as a whole."""

import errno
import os
import time
from contextlib import suppress

from penstock.kanban._disk import Disk, exists, names_in
from penstock.kanban._places import ALIVE, Places, token_names
from penstock.kanban._token import SUFFIX, Priority, Token

_FRESH_S = 0.05


class Returned:
    """The shelves in `returned/` of a bucket, as one process sees them: none, nearly always.

    The directory is listed again only when its time of modification says that a shelf came or went.
    """

    def __init__(self, places: Places) -> None:
        self._places = places
        self._seen: tuple[int, list[str]] = (0, [])

    def shelves(self) -> list[str]:
        """The shelves that there are now."""
        try:
            modified = os.stat(self._places.returned).st_mtime_ns
        except FileNotFoundError:
            modified = 0
        if modified != self._seen[0] or not modified:
            settled = 0 <= modified / 1e9 < time.time() - _FRESH_S  # else more may come unseen
            self._seen = (modified if settled else 0, self._places.returned_shelves())
        return self._seen[1]

    def check(self, token: Token) -> None:
        """Refuse a token whose id waits on one of the shelves of the last look: FileExistsError."""
        if self._seen[1] and token.priority is Priority.NORMAL and self.has(token.id):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), token.id)

    def has(self, identity: str) -> bool:
        """Whether a token of this id waits on one of the shelves of the last look."""
        return any(exists(f"{shelf}/{identity}{SUFFIX}") for shelf in self._seen[1])


def clear_shelf(shelf: str, disk: Disk) -> None:
    """Remove a shelf that holds no token; whoever finds one may do so, and several at once."""
    if token_names(shelf):
        return
    with suppress(OSError):  # what else lies in it, or was put there by a person, stays
        if ALIVE in names_in(shelf):
            disk.remove(f"{shelf}/{ALIVE}")
        disk.remove_directory(shelf)
