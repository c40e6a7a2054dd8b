"""What of a source is settled: a frontier in each lane, and what lies beyond it."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from penstock.flow._message import Message, Place

Interval = tuple[Place, Place]


class Settled:
    """The settled part of one lane: everything up to the frontier, and intervals beyond.

    An interval holds what lies after its first place, up to its second: intervals that touch are
    one. Places are numbers or texts, all of one kind, compared by `<`; a frontier of None stands
    before all of them.

    >>> lane = Settled(0)
    >>> lane.add(3, 4)
    >>> lane.add(0, 2)
    >>> lane.frontier, lane.beyond
    (2, [(3, 4)])
    >>> lane.add(2, 3)
    >>> lane.frontier, lane.beyond
    (4, [])
    """

    __slots__ = ("_ends", "_starts", "frontier")

    def __init__(self, frontier: Place | None, beyond: Iterable[Interval] = ()) -> None:
        self.frontier: Any = frontier
        self._starts: list[Any] = []
        self._ends: list[Any] = []
        for start, end in beyond:
            self.add(start, end)

    @property
    def beyond(self) -> list[Interval]:
        """The intervals after the frontier, in order; no two touch."""
        return list(zip(self._starts, self._ends, strict=True))

    def add(self, start: Place | None, end: Place) -> None:
        """Settle what lies after `start`, up to `end`; None stands for the beginning of the lane."""
        frontier: Any = self.frontier
        after: Any = start
        if after is None or (frontier is not None and after <= frontier):
            self._advance(end)
            return
        first = bisect_left(self._ends, after)
        last = bisect_right(self._starts, end)
        if first < last:
            after = min(after, self._starts[first])
            end = max(end, self._ends[last - 1])
        self._starts[first:last] = [after]
        self._ends[first:last] = [end]

    def __contains__(self, place: Place) -> bool:
        wanted: Any = place
        if self.frontier is not None and wanted <= self.frontier:
            return True
        found = bisect_left(self._ends, wanted)
        return found < len(self._ends) and bool(self._starts[found] < wanted)

    def copy(self) -> "Settled":
        """Another one that is the same."""
        return Settled(self.frontier, self.beyond)

    def _advance(self, end: Any) -> None:
        if self.frontier is None or end > self.frontier:
            self.frontier = end
        reached = bisect_right(self._starts, self.frontier)
        if reached:
            self.frontier = max(self.frontier, self._ends[reached - 1])
            del self._starts[:reached], self._ends[:reached]


class Tracker:
    """The lanes of one source, as its messages are pulled and settled."""

    def __init__(self, lanes: Mapping[str, Settled]) -> None:
        self.lanes = dict(lanes)
        self.changed: set[str] = set()
        """Lanes that were settled further since someone emptied this."""
        self.settled = 0
        """Messages settled by this run."""
        self.on_settled: Callable[[], None] = lambda: None

    def unsettled(self, messages: Sequence[Message[Any]]) -> list[Message[Any]]:
        """Those that were not settled by an earlier run; where they begin a lane, it is opened."""
        kept = []
        for message in messages:
            lane, start, end = placed(message)
            known = self.lanes.get(lane)
            if known is None:
                known = self.lanes[lane] = Settled(start)
                self.changed.add(lane)
            if end not in known:
                kept.append(message)
        return kept

    def settle(self, message: Message[Any]) -> None:
        """All that came of a message of the source is done."""
        lane, start, end = placed(message)
        self.lanes[lane].add(start, end)
        self.changed.add(lane)
        self.settled += 1
        self.on_settled()

    def with_settled(self, messages: Iterable[Message[Any]]) -> tuple[dict[str, Settled], set[str]]:
        """The lanes as they will be when these are settled too, and the names of all that changed."""
        lanes, touched = dict(self.lanes), set[str]()
        for message in messages:
            lane, start, end = placed(message)
            if lane not in touched:
                touched.add(lane)
                lanes[lane] = lanes[lane].copy()
            lanes[lane].add(start, end)
        return lanes, touched | self.changed


def placed(message: Message[Any]) -> tuple[str, Place | None, Place]:
    """Where a message stands in its source.

    Raises:
        TypeError: The source did not say.
    """
    if message.offset is None:
        raise TypeError(
            f"message {message.id} has no offset; a source that can seek gives each message "
            "offset=(lane, start, end)"
        )
    return message.offset
