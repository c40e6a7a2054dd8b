"""What the program is doing, for people who watch."""

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, TextIO

from rich.console import Console, JustifyMethod
from rich.live import Live
from rich.table import Table
from rich.text import Text

from penstock.base import Clock

_LIVE_INTERVAL_S = 0.25
_RATE_PERIOD_S = 10.0


@dataclass(frozen=True)
class ProgressRow:
    """One line of the view: a stage, a pipeline, a table."""

    name: str
    done: int
    """Items finished."""

    total: int | None = None
    """Items in all, where that is known."""

    rate: float | None = None
    """Items per second; `None` lets the view measure it from `done`."""

    queue_depth: int | None = None
    """Items waiting, where there is a queue."""

    queue_capacity: int | None = None
    """Items that may wait."""

    note: str = ""
    """Anything short: what it waits for, how many were dead-lettered."""


ProgressSource = Callable[[], Sequence[ProgressRow]]
"""Returns the rows as they are now; cheap, called on the event loop, at most four times a second."""


class Progress:
    """Shows the rows of its source: redrawn in place on a terminal, as plain lines elsewhere.

    A row that says the same as before is not repeated as a line. A stream that is closed or broken is drawn to in vain; it never stops the work.
    """

    def __init__(
        self,
        source: ProgressSource,
        *,
        clock: Clock,
        stream: TextIO,
        live: bool | None = None,
        interval_s: float = 10.0,
        write: Callable[[ProgressRow], None] | None = None,
    ) -> None:
        """Say what to show, and where.

        Args:
            source: Where the rows come from.
            clock: For pauses and rates.
            stream: Usually standard error.
            live: Redraw in place; by default where the stream is a terminal.
            interval_s: Seconds between plain lines.
            write: Takes a row instead of its plain line being written; for logs.
        """
        self._source = source
        self._clock = clock
        self._stream = stream
        self._live = _is_terminal(stream) if live is None else live
        self._interval_s = interval_s
        self._rates = _Rates(clock)
        self._write = write or self._write_line

    async def run(self) -> None:
        """Show until cancelled; the last state is shown on the way out."""
        screen = _LiveScreen(self._stream) if self._live else _PlainScreen(self._write)
        interval_s = _LIVE_INTERVAL_S if self._live else self._interval_s
        try:
            while True:
                await self._clock.sleep(interval_s)
                _guarded(screen.draw, self._rows())
        finally:
            _guarded(screen.draw, self._rows())
            _guarded(screen.close)

    def _write_line(self, row: ProgressRow) -> None:
        self._stream.write(plain_line(row) + "\n")
        self._stream.flush()

    def _rows(self) -> list[ProgressRow]:
        return [self._rates.fill(row) for row in self._source()]


class _PlainScreen:
    def __init__(self, write: Callable[[ProgressRow], None]) -> None:
        self._write = write
        self._last: dict[str, ProgressRow] = {}

    def draw(self, rows: Sequence[ProgressRow]) -> None:
        for row in rows:
            said = replace(row, rate=None)
            if self._last.get(row.name) != said:
                self._last[row.name] = said
                self._write(row)

    def close(self) -> None:
        """Lines need no end."""


class _LiveScreen:
    def __init__(self, stream: TextIO) -> None:
        console = Console(file=stream, force_terminal=True)
        self._live = Live(console=console, auto_refresh=False)

    def draw(self, rows: Sequence[ProgressRow]) -> None:
        self._live.start()
        self._live.update(_table(rows), refresh=True)

    def close(self) -> None:
        self._live.stop()


def _guarded(draw: Callable[..., None], *arguments: Any) -> None:
    """Draw; when the stream is closed or broken nobody watches, and that is no error."""
    with suppress(OSError, ValueError):
        draw(*arguments)


class _Rates:
    """Measures items per second over the last ten seconds, or since the look before if that is longer ago."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seen: dict[str, deque[tuple[float, int]]] = {}
        self._start = clock.monotonic()

    def fill(self, row: ProgressRow) -> ProgressRow:
        if row.rate is not None:
            return row
        now = self._clock.monotonic()
        seen = self._seen.setdefault(row.name, deque([(self._start, 0)]))
        while len(seen) > 1 and now - seen[0][0] > _RATE_PERIOD_S:
            seen.popleft()
        then, done = seen[0]
        seen.append((now, row.done))
        return replace(row, rate=(row.done - done) / (now - then) if now > then else None)


def plain_line(row: ProgressRow) -> str:
    """The row as one line of text.

    >>> plain_line(ProgressRow("parse", 500, total=2000, rate=125.0, queue_depth=3, queue_capacity=8))
    'parse: 500 of 2,000 (25 %), 125/s, 12 s to go, queue 3/8'
    """
    parts = [_done(row)]
    parts += [f"{row.rate:,.0f}/s"] if row.rate is not None else []
    parts += [f"{_eta(row)} to go"] if _eta(row) else []
    parts += [f"queue {_queue(row)}"] if row.queue_depth is not None else []
    parts += [row.note] if row.note else []
    return f"{row.name}: {', '.join(parts)}"


def _table(rows: Sequence[ProgressRow]) -> Table:
    table = Table(box=None, pad_edge=False)
    columns = [
        ("", [row.name for row in rows]),
        ("done", [_done(row) for row in rows]),
        ("rate", ["" if row.rate is None else f"{row.rate:,.0f}/s" for row in rows]),
        ("to go", [_eta(row) for row in rows]),
        ("queue", [_queue(row) for row in rows]),
        (" ", [row.note for row in rows]),
    ]
    told = [(title, cells) for title, cells in columns if any(cells)]
    for title, cells in told:
        # Where the terminal is narrow, the notes are cut, and never the figures.
        width = None if title == " " else max(map(len, cells))
        side: JustifyMethod = "right" if title.strip() else "left"
        table.add_column(title, justify=side, no_wrap=True, min_width=width)
    for line in zip(*(cells for _, cells in told), strict=True):
        table.add_row(*(Text(cell) for cell in line))
    return table


def _done(row: ProgressRow) -> str:
    if row.total is None:
        return f"{row.done:,}"
    share = f" ({100 * row.done // row.total} %)" if row.total else ""
    return f"{row.done:,} of {row.total:,}{share}"


def _eta(row: ProgressRow) -> str:
    if row.total is None or not row.rate or row.total <= row.done:
        return ""
    seconds = (row.total - row.done) / row.rate
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _queue(row: ProgressRow) -> str:
    if row.queue_depth is None:
        return ""
    return f"{row.queue_depth}/{row.queue_capacity}" if row.queue_capacity else f"{row.queue_depth}"


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except ValueError:  # closed
        return False
