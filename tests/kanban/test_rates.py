"""How fast a board is."""

from pathlib import Path

from penstock.kanban import Operator
from penstock.kanban._rates import Rates
from penstock.kanban._status import board_status
from penstock.kanban._tally import DONE, FAILED, Tally

CONFIG = """
filters:
  - {name: in-two-parts, class: Archiver, input_pipe: p/0, output_pipe: p/1}
  - {name: b, class: Archiver, input_pipe: p/1, output_pipe: p/2}
"""


def test_rates_are_those_of_the_last_minute_and_outlive_a_worker(tmp_path: Path) -> None:
    (tmp_path / "penstock.kanban.yaml").write_text(CONFIG)
    board = Operator(tmp_path / "penstock.kanban.yaml", {}).board
    now = [0.0]
    rates = Rates(board, clock=lambda: now[-1])
    assert rates.per_minute() == {"in-two-parts": 0, "b": 0}
    first = Tally(board.tally("in-two-parts-77-1-0"))
    second = Tally(board.tally("in-two-parts-77-2-0"))
    rates.look()

    for _ in range(30):
        first.count(DONE, 5)
    first.count(FAILED)
    first.close()
    rates.ended("in-two-parts-77-1-0")
    second.count(DONE, 5)
    now.append(30.0)
    rates.look()

    assert rates.per_minute() == {"in-two-parts": 62, "b": 0}
    assert rates.totals()["in-two-parts"] == {"done": 31, "failed": 1, "bytes": 155}
    for moment in (60.0, 95.0):
        now.append(moment)
        rates.look()
    assert rates.per_minute()["in-two-parts"] == 0
    second.close()
    assert Rates(board).totals()["in-two-parts"].total() == 0


def test_a_column_shows_the_rate_of_its_filter_where_the_board_runs(tmp_path: Path) -> None:
    (tmp_path / "penstock.kanban.yaml").write_text(CONFIG)
    board = Operator(tmp_path / "penstock.kanban.yaml", {}).board
    for pipe in board.pipes:
        board.bucket(pipe).prepare()

    running, resting = board_status(board, {"b": 7.5}), board_status(board)

    assert [column.per_minute for column in running.columns] == [None, 7.5, None]
    assert {column.per_minute for column in resting.columns} == {None}
