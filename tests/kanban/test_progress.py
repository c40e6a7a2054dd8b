"""How far a board is, and when it may be over."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from penstock.kanban import Operator
from penstock.kanban._ledger import COMPLETED, Item
from penstock.kanban._report import estimate, progress_of
from penstock.kanban._token import stamp

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_a_steady_rate_gives_a_narrow_interval() -> None:
    found = estimate([100] * 24, 1000, NOW)

    assert found is not None
    assert found.likely == NOW + timedelta(hours=10)
    assert timedelta(hours=9) < found.earliest - NOW < timedelta(hours=10)
    assert found.latest is not None
    assert timedelta(hours=10) < found.latest - NOW < timedelta(hours=11)


def test_a_rate_that_is_hardly_known_gives_no_latest_end() -> None:
    found = estimate([1, 0, 0], 1000, NOW)

    assert found is not None
    assert found.latest is None


def test_there_is_no_estimate_without_work_done_or_left() -> None:
    assert estimate([], 10, NOW) is None
    assert estimate([5], 0, NOW) is None


def test_the_report_counts_items_bytes_and_rates(tmp_path: Path) -> None:
    config = "filters: [{name: a, class: Archiver, input_pipe: p/0, output_pipe: p/1}]"
    (tmp_path / "penstock.kanban.yaml").write_text(config)
    operator = Operator(tmp_path / "penstock.kanban.yaml", {})
    ledger = operator.ledger()
    ledger.offer([("x", ""), ("y", "")])
    ledger.note(
        Item(str(n), COMPLETED, finished=stamp(NOW - timedelta(minutes=30 * n)), bytes=1024)
        for n in range(1, 5)
    )

    progress = progress_of(operator.board, now=NOW)

    assert progress.per_hour == 2
    page = progress.markdown()
    assert "| 2 | 0 | 4 | 0 | 4 KiB | 2.0 |" in page
    assert "(95 %)" in page
