"""Where things lie in a bucket's directory."""

import re
from collections.abc import Iterator
from zlib import crc32

from penstock.base import Value
from penstock.kanban._disk import exists, names_in
from penstock.kanban._token import SUFFIX, Priority

ALIVE = "alive"
"""In a worker's directory: the file whose lock says that it lives."""
_SHELF = re.compile(r"[0-9a-f]{2}")


class Places(Value):
    """The paths of one bucket. Waiting tokens lie in the directory itself, or in `high/` and `low/`."""

    root: str
    fan_out: bool = False
    """Spread each lane over 256 shelves, `00` to `ff`: for buckets of far more than 100,000 tokens."""

    @property
    def claimed(self) -> str:
        """One directory per worker."""
        return f"{self.root}/claimed"

    @property
    def errors(self) -> str:
        """What no attempt will help, each with its reason."""
        return f"{self.root}/errors"

    @property
    def delayed(self) -> str:
        """What waits for its next attempt: the time of modification is when it may be taken."""
        return f"{self.root}/delayed"

    @property
    def held(self) -> str:
        """What waits for somebody to release it."""
        return f"{self.root}/held"

    @property
    def returned(self) -> str:
        """What waits again as a whole: a shelf per worker that died with many tokens in hand.

        It is the worker's own directory. Its tokens are of normal priority. Nearly always there is
        no such directory.
        """
        return f"{self.root}/returned"

    @property
    def tmp(self) -> str:
        """What is being written."""
        return f"{self.root}/tmp"  # noqa: S108 - of the bucket, not of the system

    @property
    def lock(self) -> str:
        """The file whose lock guards the limit."""
        return f"{self.tmp}/.lock"

    def directories(self) -> list[str]:
        """All that must be there, the outermost first."""
        lanes = [self.lane(priority) for priority in Priority]
        fixed = [self.root, *lanes, self.claimed, self.errors, self.delayed, self.held, self.tmp]
        if self.fan_out:
            fixed += [f"{lane}/{number:02x}" for lane in lanes for number in range(256)]
        return list(dict.fromkeys(fixed))

    def lane(self, priority: Priority) -> str:
        """Where tokens of a priority wait."""
        return self.root if priority is Priority.NORMAL else f"{self.root}/{priority}"

    def shelf(self, identity: str, priority: Priority) -> str:
        """The directory in which one token waits."""
        lane = self.root if priority is Priority.NORMAL else self.lane(priority)
        return f"{lane}/{crc32(identity.encode()) & 0xFF:02x}" if self.fan_out else lane

    def waiting(self, identity: str, priority: Priority) -> str:
        """The path of one waiting token."""
        return f"{self.shelf(identity, priority)}/{identity}{SUFFIX}"

    def shelves(self, priority: Priority) -> list[str]:
        """The directories of a lane in which tokens lie, whoever put them there."""
        lane = self.lane(priority)
        if self.fan_out:
            return [lane, *(f"{lane}/{number:02x}" for number in range(256))]
        return [lane]

    def returned_shelves(self) -> list[str]:
        """The directories of dead workers in which tokens wait again."""
        names = sorted(names_in(self.returned))
        return [f"{self.returned}/{name}" for name in names if not name.startswith(".")]

    def workers(self) -> Iterator[str]:
        """The directories of those who hold claims, or held some when they died."""
        for name in names_in(self.claimed):
            if not name.startswith("."):
                yield f"{self.claimed}/{name}"

    def free_error(self, identity: str) -> str:
        """A path in `errors/` for a token; errors of an earlier token of the same id are kept."""
        number, path = 1, f"{self.errors}/{identity}{SUFFIX}"
        while exists(path):
            number += 1
            path = f"{self.errors}/{identity}~{number}{SUFFIX}"
        return path

    def find(self, identity: str) -> tuple[str, str] | None:
        """Where a token lies: the word for it, and its path."""
        name = identity + SUFFIX
        for word, folder in self._folders(identity):
            if exists(path := f"{folder}/{name}"):
                return word, path
        return None

    def _folders(self, identity: str) -> Iterator[tuple[str, str]]:
        for priority in Priority:
            for shelf in {self.lane(priority), self.shelf(identity, priority)}:
                yield "waiting", shelf
        for shelf in self.returned_shelves():
            yield "waiting", shelf
        yield from (("delayed", self.delayed), ("held", self.held), ("error", self.errors))
        for worker in self.workers():
            yield "claimed", worker


def token_names(path: str) -> list[str]:
    """The names of the token files in a directory."""
    return [name for name in names_in(path) if name.endswith(SUFFIX) and name[0] != "."]


def is_token(name: str) -> bool:
    """Whether a file of this name is meant as a token; other names are left alone."""
    return name.endswith(SUFFIX) and not name.startswith(".")


def is_shelf(name: str) -> bool:
    """Whether a directory of this name is one of the 256 shelves."""
    return _SHELF.fullmatch(name) is not None
