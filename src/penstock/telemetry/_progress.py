"""What the program is doing, for people who watch."""

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any, Protocol, TextIO

from msgspec.structs import replace

from penstock.base import Clock
from penstock.telemetry._progress_row import ProgressRow, plain_line

_LIVE_INTERVAL_S = 0.25
_RATE_PERIOD_S = 10.0

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
        screen = _live_screen(self._stream) if self._live else _PlainScreen(self._write)
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


class _Screen(Protocol):
    def draw(self, rows: Sequence[ProgressRow]) -> None: ...

    def close(self) -> None: ...


def _live_screen(stream: TextIO) -> _Screen:
    screen: _Screen = import_module("penstock.telemetry._live_screen").LiveScreen(stream)
    return screen


class _PlainScreen(_Screen):
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


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except ValueError:  # closed
        return False
