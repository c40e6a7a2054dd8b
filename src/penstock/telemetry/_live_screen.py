"""Progress on a terminal; loaded, with its library, where there is one."""

from collections.abc import Sequence
from typing import TextIO

from rich.console import Console, JustifyMethod
from rich.live import Live
from rich.table import Table
from rich.text import Text

from penstock.telemetry._progress_row import ProgressRow, done_cell, eta_cell, queue_cell


class LiveScreen:
    """Redraws the rows in place."""

    def __init__(self, stream: TextIO) -> None:
        console = Console(file=stream, force_terminal=True)
        self._live = Live(console=console, auto_refresh=False)

    def draw(self, rows: Sequence[ProgressRow]) -> None:
        """Show these rows instead."""
        self._live.start()
        self._live.update(_table(rows), refresh=True)

    def close(self) -> None:
        """Leave the last picture there."""
        self._live.stop()


def _table(rows: Sequence[ProgressRow]) -> Table:
    table = Table(box=None, pad_edge=False)
    columns = [
        ("", [row.name for row in rows]),
        ("done", [done_cell(row) for row in rows]),
        ("rate", ["" if row.rate is None else f"{row.rate:,.0f}/s" for row in rows]),
        ("to go", [eta_cell(row) for row in rows]),
        ("queue", [queue_cell(row) for row in rows]),
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
