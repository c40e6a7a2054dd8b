"""What the dead held in large numbers: their own directories, moved to where it waits again as a whole."""

import errno
import os
from contextlib import suppress

from penstock.kanban._disk import Disk, exists, names_in
from penstock.kanban._places import ALIVE, Places, token_names
from penstock.kanban._token import SUFFIX, Priority, Token


class Returned:
    """The shelves in `returned/` of a bucket, as one process sees them: none, nearly always.

    The directory is there only while there are shelves: one access(2) says that there are none.
    """

    def __init__(self, places: Places) -> None:
        self._places = places
        self._folder = places.returned
        self.seen: list[str] = []
        """The shelves of the last look."""
        self.emptied = False
        """Whether one of them was found empty."""

    def shelves(self) -> list[str]:
        """The shelves that there are now."""
        there = os.access(self._folder, os.F_OK)
        self.seen = self._places.returned_shelves() if there else []
        return self.seen

    def check(self, token: Token) -> None:
        """Refuse a token whose id waits on one of the shelves of the last look: FileExistsError."""
        if token.priority is Priority.NORMAL and self.has(token.id):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), token.id)

    def has(self, identity: str) -> bool:
        """Whether a token of this id waits on one of the shelves of the last look."""
        return any(exists(f"{shelf}/{identity}{SUFFIX}") for shelf in self.seen)


def clear_shelves(places: Places, disk: Disk) -> None:
    """Remove the shelves that hold no token, and with the last of them `returned` itself.

    Whoever finds one may do so, and several at once. What else lies in it, or was put there by a
    person, stays.
    """
    if not exists(places.returned):
        return
    for shelf in places.returned_shelves():
        if not token_names(shelf):
            with suppress(OSError):
                if ALIVE in names_in(shelf):
                    disk.remove(f"{shelf}/{ALIVE}")
                disk.remove_directory(shelf)
    with suppress(OSError):
        disk.remove_directory(places.returned)
