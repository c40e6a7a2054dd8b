"""Progress for people: counts, bytes, rates, and when it may be over."""

import math
from datetime import UTC, datetime, timedelta

from penstock.base import Value, format_size
from penstock.kanban._ledger import AVAILABLE, CHOSEN, COMPLETED, FAILED, Ledger
from penstock.kanban._load import Board
from penstock.kanban._status import BoardStatus, board_status

_WINDOWS = 24


class Estimate(Value):
    """When the open work may be done: the middle, and the ends of an interval of 95 %."""

    earliest: datetime
    likely: datetime
    latest: datetime | None
    """None where the rate is too uncertain to say."""


class Progress(Value):
    """How far a board is."""

    at: datetime
    items: dict[str, int]
    bytes_done: int
    per_hour: float
    """Items completed per hour, over the last day or since the first."""
    estimate: Estimate | None
    status: BoardStatus

    def markdown(self) -> str:
        """The progress as a page in Markdown."""
        lines = [
            f"# Progress at {self.at:%Y-%m-%d %H:%M} UTC",
            "",
            "| available | chosen | completed | failed | bytes | per hour |",
            "| ---: | ---: | ---: | ---: | ---: | ---: |",
            _row(self),
            "",
            _end(self.estimate),
            "",
            "| bucket | waiting | claimed | delayed | errors |",
            "| --- | ---: | ---: | ---: | ---: |",
        ]
        for column in self.status.columns:
            c = column.counts
            lines.append(
                f"| {column.pipe} | {c.waiting:,} | {c.claimed:,} | {c.delayed:,} | {c.errors:,} |"
            )
        return "\n".join(lines) + "\n"


def progress_of(board: Board, *, now: datetime | None = None) -> Progress:
    """Read ledger and buckets."""
    moment = now or datetime.now(UTC)
    ledger = Ledger(board.state / "ledger.sqlite")
    counts = dict.fromkeys((AVAILABLE, CHOSEN, COMPLETED, FAILED), 0) | ledger.counts()
    hours = [
        ledger.finished_between(moment - timedelta(hours=n + 1), moment - timedelta(hours=n))[0]
        for n in range(_WINDOWS)
    ]
    while hours and not hours[-1]:
        hours.pop()
    _, size = ledger.finished_between(datetime(1970, 1, 1, tzinfo=UTC), moment)
    left = counts[AVAILABLE] + counts[CHOSEN]
    rate = sum(hours) / len(hours) if hours else 0.0
    return Progress(moment, counts, size, rate, estimate(hours, left, moment), board_status(board))


def estimate(hours: list[int], left: int, now: datetime) -> Estimate | None:
    """The end, from the items completed in each of the last hours.

    The interval is that of the mean, 1.96 standard errors to both sides, at least those of counts
    that come at random; None without any completed item, or without any left.
    """
    if not left or not sum(hours):
        return None
    mean = sum(hours) / len(hours)
    spread = sum((count - mean) ** 2 for count in hours) / max(len(hours) - 1, 1)
    error = 1.96 * math.sqrt(max(spread, mean) / len(hours))
    slow, fast = mean - error, mean + error
    return Estimate(
        now + timedelta(hours=left / fast),
        now + timedelta(hours=left / mean),
        now + timedelta(hours=left / slow) if slow > mean * 0.05 else None,
    )


def _row(found: Progress) -> str:
    states = (AVAILABLE, CHOSEN, COMPLETED, FAILED)
    cells = [*(f"{found.items[state]:,}" for state in states), format_size(found.bytes_done)]
    return f"| {' | '.join(cells)} | {found.per_hour:,.1f} |"


def _end(found: Estimate | None) -> str:
    if found is None:
        return "There is no estimate of the end: nothing is left, or nothing was completed yet."
    latest = f"{found.latest:%Y-%m-%d %H:%M}" if found.latest else "an unknown date"
    return (
        f"The end is likely at {found.likely:%Y-%m-%d %H:%M}, "
        f"between {found.earliest:%Y-%m-%d %H:%M} and {latest} (95 %)."
    )
