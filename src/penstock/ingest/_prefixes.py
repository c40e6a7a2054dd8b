"""Recent date prefixes, so that a source of many years is listed by its last days."""

from datetime import datetime, timedelta

from penstock.ingest._source_config import PartitionFilter


def recent_prefixes(recent: PartitionFilter, now: datetime) -> tuple[str, ...]:
    """The prefixes of `now` and of the hours or days before it, in UTC, oldest first, each once.

    >>> from datetime import UTC
    >>> recent = PartitionFilter(prefix_template="day=%d", lookback=2)
    >>> recent_prefixes(recent, datetime(2026, 3, 1, tzinfo=UTC))
    ('day=27', 'day=28', 'day=01')
    """
    step = timedelta(hours=1) if "%H" in recent.prefix_template else timedelta(days=1)
    moments = (now - step * back for back in range(recent.lookback, -1, -1))
    prefixes = (moment.strftime(recent.prefix_template).strip("/") for moment in moments)
    return tuple(dict.fromkeys(prefixes))
