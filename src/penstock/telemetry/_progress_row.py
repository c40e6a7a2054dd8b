"""One row of the view of what the program is doing, and its cells as text."""

from penstock.base import Value


class ProgressRow(Value):
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


def plain_line(row: ProgressRow) -> str:
    """The row as one line of text.

    >>> plain_line(ProgressRow("parse", 500, total=2000, rate=125.0, queue_depth=3, queue_capacity=8))
    'parse: 500 of 2,000 (25 %), 125/s, 12 s to go, queue 3/8'
    """
    parts = [done_cell(row)]
    parts += [f"{row.rate:,.0f}/s"] if row.rate is not None else []
    parts += [f"{eta_cell(row)} to go"] if eta_cell(row) else []
    parts += [f"queue {queue_cell(row)}"] if row.queue_depth is not None else []
    parts += [row.note] if row.note else []
    return f"{row.name}: {', '.join(parts)}"


def done_cell(row: ProgressRow) -> str:
    """Items finished, and of how many."""
    if row.total is None:
        return f"{row.done:,}"
    share = f" ({100 * row.done // row.total} %)" if row.total else ""
    return f"{row.done:,} of {row.total:,}{share}"


def eta_cell(row: ProgressRow) -> str:
    """The time to go, where it can be told."""
    if row.total is None or not row.rate or row.total <= row.done:
        return ""
    seconds = (row.total - row.done) / row.rate
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def queue_cell(row: ProgressRow) -> str:
    """Items waiting, and of how many."""
    if row.queue_depth is None:
        return ""
    return f"{row.queue_depth}/{row.queue_capacity}" if row.queue_capacity else f"{row.queue_depth}"
