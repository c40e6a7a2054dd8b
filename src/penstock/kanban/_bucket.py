"""The bucket: a directory whose files are the tokens that wait there."""

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import count
from pathlib import Path
from secrets import token_hex

from penstock.base import Clock, Failpoints, SystemClock, Value
from penstock.kanban._disk import Disk, locked
from penstock.kanban._errors import (
    OTHER_FILE_SYSTEM,
    BucketError,
    TokenError,
    TokenExistsError,
    in_words,
    translated,
)
from penstock.kanban._places import Places, is_token, token_names
from penstock.kanban._returned import Returned
from penstock.kanban._token import SUFFIX, Priority, Token, decode

_NO_LOCK = nullcontext()
_SAMPLE, _SAMPLE_PER_SHELF = 500, 16


class Limit(Value):
    """The most that a bucket may hold: waiting, claimed and delayed; errors do not count."""

    tokens: int = 0
    """0 sets no limit."""
    size: int = 0
    """Bytes of their data files; 0 sets no limit. A token larger than this enters alone."""

    def __bool__(self) -> bool:
        return bool(self.tokens or self.size)


_NO_LIMIT = Limit()


class Counts(Value):
    """How many tokens lie in which part of a bucket."""

    waiting: int = 0
    claimed: int = 0
    delayed: int = 0
    errors: int = 0
    oldest: float = 0.0
    """When the token that waits longest arrived: seconds since 1970, by the file system; 0 if none waits."""
    held: int = 0
    """Until somebody releases them; they do not count."""

    @property
    def content(self) -> int:
        """What counts against the limit."""
        return self.waiting + self.claimed + self.delayed


class Bucket:
    """A directory of tokens, safe for any number of processes of one machine.

    A token in it is a whole file or none, and has one name. What is put is durable on return if
    `sync`; groups are made durable together. Safe to share between threads.
    """

    def __init__(  # noqa: PLR0913 - all but the first are optional
        self,
        path: Path,
        *,
        limit: Limit = _NO_LIMIT,
        feeders: Sequence[Path] = (),
        sync: bool = True,
        fan_out: bool = False,
        hold: bool = False,
        clock: Clock | None = None,
        disk: Disk | None = None,
        failpoints: Failpoints | None = None,
    ) -> None:
        """Name a bucket; nothing is touched.

        Args:
            path: Its directory.
            limit: The most that it may hold.
            feeders: The buckets whose claims will come here: they count as content.
            sync: Whether what is put or moved survives a power cut.
            fan_out: Spread tokens over 256 directories.
            hold: Whether what comes in is held until somebody releases it.
            clock: For the moments in tokens.
            disk: Where it lies.
            failpoints: For tests that kill.
        """
        self.path = path
        self.limit = limit
        self.sync = sync
        self.hold = hold
        self.places = Places(str(path), fan_out)
        self._spread = fan_out and not hold
        self._doors = {p: self.places.held if hold else self.places.lane(p) for p in Priority}
        self.returned = Returned(self.places)
        self.clock: Clock = clock or SystemClock()
        self.disk = disk or Disk()
        self.failpoints = failpoints or Failpoints()
        self._feeders = tuple(Places(str(feeder)) for feeder in feeders)
        self._sizes: dict[str, int] = {}
        self._aside = f"{self.places.tmp}/{os.getpid()}-{token_hex(4)}"
        self._numbers = count()
        self.bounded = bool(limit)
        self._translated = translated(str(path))

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path.name

    def prepare(self) -> "Bucket":
        """Make its directories; fine if they are there.

        Raises:
            BucketError: They cannot be made, cannot be written to, or lie on several file systems.
        """
        with self.translated():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            for directory in self.places.directories():
                self.disk.make_directory(directory)
            probe = self._temporary()
            self.disk.write(probe, b"", sync=False)
            self.disk.remove(probe)
            devices = {os.stat(directory).st_dev for directory in self.places.directories()}
        if len(devices) > 1:
            raise BucketError(str(self.path), OTHER_FILE_SYSTEM)
        return self

    def put(self, token: Token) -> bool:
        """Put a token in if there is room, and say so.

        Raises:
            TokenExistsError: A token of this id waits here.
            BucketError: The directory does not allow it.
        """
        return self.put_many([token]) == 1

    def put_many(self, tokens: Sequence[Token]) -> int:
        """Put in as many tokens as there is room for, in their order; returns how many.

        One sync makes the whole group durable.

        Raises:
            TokenExistsError: A token of this id waits here; those before it are in.
            BucketError: The directory does not allow it; none or some of the first are in.
        """
        try:
            if self.bounded and not self.room().open:
                return 0
            written = self._write(tokens)
            self.failpoints.cross("bucket.written")
            self.returned.shelves()
            return self._enter_all(written)
        except OSError as error:
            raise in_words(error, str(self.path)) from error

    def _enter_all(self, written: Sequence[tuple[Token, str]]) -> int:
        entered = 0
        try:
            with self.entry():
                for token, path in self._admitted(written) if self.bounded else written:
                    try:
                        self.admit(path, token)
                    except FileExistsError as error:
                        raise TokenExistsError(token.id, str(self.path)) from error
                    entered += 1
                    self.failpoints.cross("bucket.put")
        finally:
            for _, path in written[entered:]:
                self.disk.remove(path)
            if self.sync and entered:
                self._sync_shelves([token for token, _ in written[:entered]])
        return entered

    def _write(self, tokens: Sequence[Token]) -> list[tuple[Token, str]]:
        written = []
        alone = len(tokens) == 1
        for token in tokens:
            path = self._temporary()
            self.disk.write(path, token.encode(), sync=self.sync and alone)
            written.append((token, path))
        if self.sync and len(tokens) > 1:
            self.disk.sync_all(self.places.tmp)
        return written

    def _admitted(self, written: Sequence[tuple[Token, str]]) -> Iterator[tuple[Token, str]]:
        room = self.room()
        for token, path in written:
            if not room.take(token.size):
                return
            yield token, path

    def admit(self, path: str, token: Token) -> None:
        """Give a token that was written its place here; as far as was seen of `returned`.

        Raises:
            FileExistsError: One of this id waits here; the file stays where it is.
        """
        if self.returned.seen and not self.hold:
            self.returned.check(token)
        self.disk.rename_new(path, f"{self.door(token)}/{token.id}{SUFFIX}")

    def _sync_shelves(self, tokens: Sequence[Token]) -> None:
        for shelf in {self.door(token) for token in tokens}:
            self.disk.sync_directory(shelf)

    def wall(self) -> float:
        """The moment, in seconds since 1970."""
        return self.clock.now().timestamp()

    def door(self, token: Token) -> str:
        """The directory that a token which comes in lies in."""
        if self._spread:
            return self.places.shelf(token.id, token.priority)
        return self._doors[token.priority]

    def _temporary(self) -> str:
        return f"{self._aside}-{next(self._numbers)}"

    def entry(self) -> AbstractContextManager[None]:
        """The lock under which tokens are counted and enter; none where there is no limit."""
        return locked(self.places.lock) if self.bounded else _NO_LOCK

    def room(self) -> "Room":
        """What is left of the limit now; exact while the lock of `entry` is held.

        Upstream claims are counted before the bucket itself: a token that moves in meanwhile is
        counted once or twice, never not at all.
        """
        names: dict[str, str] = {}
        for feeder in self._feeders:
            names |= _claims(feeder)
        for shelf in self.shelves():
            names |= dict.fromkeys(token_names(shelf), shelf)
        names |= dict.fromkeys(token_names(self.places.delayed), self.places.delayed)
        names |= _claims(self.places)
        used = self._bytes(names) if self.limit.size else 0
        return Room(self.limit, len(names), used)

    def _bytes(self, names: dict[str, str]) -> int:
        """Bytes of the named tokens; each is read once, sizes are remembered while it is here."""
        known, found = self._sizes, {}
        for name, folder in names.items():
            size = known.get(name)
            if size is None:
                try:
                    size = self.read(f"{folder}/{name}").size
                except (FileNotFoundError, TokenError):
                    continue  # moved on while we looked, or nothing that could be worked on
            found[name] = size
        self._sizes = found
        return sum(found.values())

    def shelves(self) -> Iterator[str]:
        """All directories in which tokens wait, the most urgent first."""
        for priority in Priority:
            yield from self.places.shelves(priority)
            if priority is Priority.NORMAL:
                yield from self.places.returned_shelves()

    def counts(self) -> Counts:
        """How many tokens lie where, and since when the oldest waits; without reading any of them."""
        waiting, oldest = 0, 0.0
        sample = _SAMPLE_PER_SHELF if self.places.fan_out else _SAMPLE
        for shelf in self.shelves():
            names = token_names(shelf)
            waiting += len(names)
            if names:
                found = _oldest(shelf, names, sample)
                oldest = min(filter(None, (oldest, found)), default=0.0)
        return Counts(
            waiting,
            len(_claims(self.places)),
            len(token_names(self.places.delayed)),
            len(token_names(self.places.errors)),
            oldest,
            len(token_names(self.places.held)),
        )

    def tokens(self, part: str = "waiting") -> Iterator[Token]:
        """The tokens that are `waiting`, `claimed`, `delayed`, `held` or in `errors`; unreadable ones are left out."""
        for path in self._paths(part):
            try:
                yield self.read(path)
            except (FileNotFoundError, TokenError):
                continue

    def _paths(self, part: str) -> Iterator[str]:
        folders = {
            "waiting": self.shelves(),
            "claimed": self.places.workers(),
            "delayed": iter([self.places.delayed]),
            "held": iter([self.places.held]),
            "errors": iter([self.places.errors]),
        }
        for folder in folders[part]:
            for name in sorted(token_names(folder)):
                yield f"{folder}/{name}"

    def foreign(self) -> list[str]:
        """Names in the directory that are no tokens and nothing of ours; they are left alone."""
        known = [*self.places.directories(), self.places.returned]
        ours = {path.removeprefix(f"{self.path}/") for path in known}
        return sorted(
            name for name in os.listdir(self.path) if name not in ours and not is_token(name)
        )

    def read(self, path: str) -> Token:
        """The token in a file.

        Raises:
            FileNotFoundError: It has moved on.
            TokenError: It is none.
        """
        stem = os.path.basename(path).removesuffix(SUFFIX)
        try:
            data = self.disk.read(path)
        except (IsADirectoryError, PermissionError) as error:
            raise TokenError(path, f"cannot be read: {error.strerror}") from error
        return decode(data, place=path, stem=stem)[0]

    def translated(self) -> AbstractContextManager[None]:
        """Turn what the system says into an error that names this bucket and the way out."""
        return self._translated


class Room:
    """What a limit leaves free."""

    def __init__(self, limit: Limit, tokens: int, size: int) -> None:
        self._limit = limit
        self._tokens = tokens
        self._size = size

    def take(self, size: int) -> bool:
        """Take the room of one token of so many bytes, if there is that much."""
        limit = self._limit
        if limit.tokens and self._tokens >= limit.tokens:
            return False
        if limit.size and self._tokens and self._size + size > limit.size:
            return False
        self._tokens += 1
        self._size += size
        return True

    @property
    def open(self) -> bool:
        """Whether a token without bytes would fit."""
        limit = self._limit
        return not (
            (limit.tokens and self._tokens >= limit.tokens)
            or (limit.size and self._tokens and self._size >= limit.size)
        )


def _claims(places: Places) -> dict[str, str]:
    return {name: worker for worker in places.workers() for name in token_names(worker)}


def _oldest(shelf: str, names: Sequence[str], sample: int) -> float:
    """When the oldest of `sample` tokens arrived; of more, the oldest of about so many by name."""
    step = max(len(names) // sample, 1)
    found = []
    for name in names[::step]:
        try:
            found.append(os.stat(f"{shelf}/{name}").st_mtime)
        except FileNotFoundError:
            continue
    return min(found, default=0.0)
