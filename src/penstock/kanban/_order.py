"""Which token is next: by priority, then by age, without looking at a large bucket for every claim."""

import heapq
import math
import os
import random
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import chain, islice

from penstock.base import Value
from penstock.kanban._places import Places
from penstock.kanban._returned import Returned
from penstock.kanban._token import SUFFIX, Priority

_KEPT = 16_384
_FRESH_S = 0.05
_OLDEST_TURN = 8
_RESCAN_S = 2.0
_LOOKED_S = 0.002
_NEVER = (0, 0.0)


class Candidate(Value, order=True):
    """A file that was seen waiting; another worker may have it by now."""

    since: float
    """When it arrived, or may be taken again: seconds since 1970."""
    name: str
    folder: str


class Order:
    """The candidates of one bucket, for one worker.

    A directory is read again only when its time of modification says that something came or went,
    and every two seconds; while there are candidates, the urgent lane is asked for every claim, the
    others every two milliseconds. One claim in eight goes to the token that waits longest
    whatever its priority, so that low ones are late but never forgotten.
    """

    def __init__(self, places: Places, *, seed: str) -> None:
        self._delayed = _Lane([places.delayed], due=True)
        self._urgent, self._normal, low = (_Lane(places.shelves(priority)) for priority in Priority)
        self._normal.returned = self.returned = Returned(places)
        self._lanes = [self._delayed, self._urgent, self._normal, low]
        self._looked = 0.0
        self._everywhere = False
        self._now = 0.0
        self._turn = 0
        self._losses = 0
        self._chance = random.Random(seed)  # noqa: S311 - spreads rivals, guards nothing

    def begin(self, now: float) -> None:
        """A claim begins. `now`, in seconds since 1970, says what is due."""
        self._now = now
        self._everywhere = False
        if time.monotonic() - self._looked > _LOOKED_S:
            self._look()
        self._urgent.looked = False

    def next(self) -> Candidate | None:
        """The next one, until there is none; say `lost` or `won` in between.

        Before there is none every directory is looked at, once, so that what cannot be taken yet
        does not come up for ever.
        """
        found = self._next()
        if found is None and not self._everywhere:
            self._look()
            found = self._next()
        return found

    def _look(self) -> None:
        self._looked = time.monotonic()
        self._everywhere = True
        for lane in self._lanes:
            lane.looked = False

    def won(self) -> None:
        """The last candidate was claimed."""
        self._turn += 1
        self._losses = 0

    def lost(self) -> None:
        """Another worker was quicker: look a little further down, so that rivals part."""
        self._losses = min(self._losses + 1, 6)

    def put_off(self, candidate: Candidate) -> None:
        """It could not be taken yet; look at its directory again."""
        for lane in self._lanes:
            lane.look_again(candidate.folder)

    def put_back(self, candidate: Candidate) -> None:
        """It was not tried; it stays the next."""
        for lane in self._lanes:
            if candidate.folder in lane.folders:
                lane.queue.appendleft(candidate)

    def next_due(self) -> float | None:
        """When the first delayed token may be taken, as far as was seen."""
        due = self._delayed.next_due
        return due if due < math.inf else None

    def _next(self) -> Candidate | None:
        now = self._now
        if self._turn % _OLDEST_TURN == _OLDEST_TURN - 1:
            lanes = [lane for lane in self._lanes if lane.ready(now)]
            lane = min(lanes, key=lambda lane: lane.queue[0]) if lanes else None
        else:
            for lane in self._lanes:  # a loop: this is done for every claim
                if lane.queue or (not lane.looked and lane.fill(now)):
                    break
            else:
                return None
        if lane is None:
            return None
        queue = lane.queue
        if self._losses:
            queue.rotate(-self._chance.randrange(min(1 << self._losses, len(queue))))
        return queue.popleft()


class _Lane:
    """The tokens of one priority, oldest first; those of the same instant by name."""

    def __init__(self, folders: list[str], *, due: bool = False) -> None:
        self.folders = folders
        self.queue: deque[Candidate] = deque()
        self.next_due = math.inf
        self.looked = False
        self.returned: Returned | None = None
        self._due = due
        self._read: dict[str, tuple[int, float]] = {}

    def look_again(self, folder: str) -> None:
        self._read.pop(folder, None)

    def ready(self, now: float) -> bool:
        """Whether there is a candidate; asks its directories if nobody has lately."""
        return bool(self.queue) or (not self.looked and self.fill(now))

    def fill(self, now: float) -> bool:
        """Look at the directories, and say whether there is a candidate."""
        self.looked = True
        folders = [*self.folders, *self.returned.shelves()] if self.returned else self.folders
        changed = self._changed(folders, now)
        if not changed:
            return False
        seen = chain.from_iterable([self._entries(folder, now) for folder in changed])
        found = list(islice(seen, _KEPT + 1))
        if len(found) > _KEPT:  # never all of them in memory
            found = heapq.nsmallest(_KEPT, chain(found, seen))
            self._read.clear()
        else:
            found.sort()
        self.queue.extend(found)
        return bool(self.queue)

    def _changed(self, folders: Sequence[str], now: float) -> list[str]:
        """The directories to read, of which it is remembered that they were read.

        A directory that changed within the granularity of its clock is read again.
        """
        due = self.next_due <= now
        changed = []
        for folder in folders:
            try:
                modified = os.stat(folder).st_mtime_ns
            except FileNotFoundError:
                self._read.pop(folder, None)
                continue
            known, read_at = self._read.get(folder, _NEVER)
            if known == modified and 0 <= now - read_at < _RESCAN_S and not due:
                continue
            settled = modified / 1e9 < now - _FRESH_S
            self._read[folder] = (modified if settled else 0, now)
            changed.append(folder)
        return changed

    def _entries(self, folder: str, now: float) -> Iterator[Candidate]:
        self.next_due = math.inf
        empty = True
        with suppress(FileNotFoundError), os.scandir(folder) as entries:  # a shelf may be gone
            for entry in entries:
                name = entry.name
                if not name.endswith(SUFFIX) or name[0] == ".":
                    continue
                empty = False
                try:
                    since = entry.stat(follow_symlinks=False).st_mtime
                except FileNotFoundError:
                    continue
                if self._due and since > now:
                    self.next_due = min(since, self.next_due)
                else:
                    yield Candidate(since, name, folder)
        if empty and self.returned and folder not in self.folders:
            self.returned.emptied = True
