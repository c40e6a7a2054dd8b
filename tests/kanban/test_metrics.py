"""The board in numbers."""

from pathlib import Path

from penstock.base import SystemClock
from penstock.kanban import Operator, Seat
from penstock.kanban._crew import Crew
from penstock.kanban._metrics import export
from penstock.kanban._rates import Rates
from penstock.kanban._tally import DONE, FAILED, Tally
from penstock.telemetry import Metrics, exposition, get_logger
from tests.kanban.boards import make_token


def test_a_scrape_reads_every_bucket_and_filter(tmp_path: Path) -> None:
    config = (
        "filters: [{name: a, class: Archiver, input_pipe: p/0, output_pipe: p/1, wip_limit: 9}]"
    )
    (tmp_path / "penstock.kanban.yaml").write_text(config)
    board = Operator(tmp_path / "penstock.kanban.yaml", {}).board
    first, _ = (board.bucket(pipe).prepare() for pipe in board.pipes)
    first.put_many([make_token(n) for n in range(3)])
    metrics = Metrics()
    rates = Rates(board)
    tally = Tally(board.tally("a-1-1-0"))
    tally.count(DONE, 70)
    tally.count(FAILED)
    tally.close()
    crew = Crew(board, environ={}, clock=SystemClock(), log=get_logger("x"))
    export(metrics, lambda: board, crew, rates)

    with Seat(first, "w") as seat:
        seat.claim()
        text = exposition(metrics)[0].decode()

    for line in (
        'penstock_kanban_tokens{bucket="p/0",part="waiting"} 2.0',
        'penstock_kanban_tokens{bucket="p/0",part="claimed"} 1.0',
        'penstock_kanban_wip_limit{bucket="p/0"} 9.0',
        'penstock_kanban_workers{filter="a"} 0.0',
        'penstock_kanban_settled_total{bucket="p/0",filter="a",result="done"} 1.0',
        'penstock_kanban_settled_total{bucket="p/0",filter="a",result="failed"} 1.0',
        'penstock_kanban_bytes_total{bucket="p/0",filter="a"} 70.0',
    ):
        assert line in text
