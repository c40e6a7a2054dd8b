"""How fast the filters of a board are: the tallies of their workers, added up and remembered for a minute."""

import time
from collections import Counter, deque
from collections.abc import Callable
from threading import Lock

from penstock.kanban._disk import names_in
from penstock.kanban._load import Board
from penstock.kanban._tally import DONE, read_tally

_WINDOW_S = 60.0
_KEPT = 240


class Rates:
    """What each filter has done since the board was started, and how much of it in the last minute."""

    def __init__(self, board: Board, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.board = board
        self._clock = clock
        self._lock = Lock()
        self._gone: dict[str, Counter[str]] = {}
        self._looks: deque[tuple[float, dict[str, Counter[str]]]] = deque(maxlen=_KEPT)
        for name in names_in(str(board.tally(""))):
            board.tally(name).unlink()  # of an earlier run

    def look(self) -> bool:
        """Read the tallies, forget what is older than a minute, and say whether they have changed."""
        now = self._clock()
        while len(self._looks) > 1 and self._looks[1][0] < now - _WINDOW_S:
            self._looks.popleft()
        totals = self.totals()
        changed = not self._looks or self._looks[-1][1] != totals
        self._looks.append((now, totals))
        return changed

    def totals(self) -> dict[str, Counter[str]]:
        """Per filter: `done`, `failed`, `retried` and `bytes`, since the board was started."""
        with self._lock:
            found = {c.name: Counter(self._gone.get(c.name, {})) for c in self.board.config.filters}
            folder = str(self.board.tally(""))
            for worker in names_in(folder):
                name = filter_of(worker)
                if name in found:
                    found[name] += read_tally(f"{folder}/{worker}")
        return found

    def ended(self, worker: str) -> None:
        """A worker has died: keep what it counted, and remove its file."""
        path = self.board.tally(worker)
        with self._lock:
            self._gone.setdefault(filter_of(worker), Counter()).update(read_tally(str(path)))
            path.unlink(missing_ok=True)

    def per_minute(self) -> dict[str, float]:
        """Tokens that each filter has handed on, per minute; none before the second look."""
        if len(self._looks) < 2:
            return dict.fromkeys((config.name for config in self.board.config.filters), 0.0)
        (start, before), (end, after) = self._looks[0], self._looks[-1]
        minutes = (end - start) / 60
        return {
            name: (counts[DONE] - before.get(name, Counter())[DONE]) / minutes
            for name, counts in after.items()
        }


def filter_of(worker: str) -> str:
    """The filter of a worker, by its name: `filter-pid-number-restarts`."""
    return worker.rsplit("-", 3)[0]
