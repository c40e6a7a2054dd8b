"""The board in numbers, read from its directories when somebody asks."""

from collections import Counter
from collections.abc import Callable

from penstock.kanban._crew import Crew
from penstock.kanban._load import Board
from penstock.kanban._rates import Rates
from penstock.kanban._status import PARTS, board_status
from penstock.kanban._tally import BYTES, DONE, FAILED, RETRIED
from penstock.telemetry import Metrics


def export(
    metrics: Metrics, board: Callable[[], Board], crew: Crew, rates: Rates | None = None
) -> None:
    """Declare the metrics of a board; they are brought up to date at each scrape."""
    tokens = metrics.gauge(
        "penstock_kanban_tokens",
        "Tokens in a bucket, by part: waiting, claimed, delayed, held, errors.",
        ("bucket", "part"),
    )
    oldest = metrics.gauge(
        "penstock_kanban_oldest_seconds", "How long the oldest token has waited.", ("bucket",)
    )
    limits = metrics.gauge(
        "penstock_kanban_wip_limit",
        "Most tokens that a bucket may hold; 0 sets no limit.",
        ("bucket",),
    )
    done = metrics.counter(
        "penstock_kanban_settled_total",
        "Tokens that a filter has done with, by result: done, failed, retried.",
        ("filter", "bucket", "result"),
    )
    size = metrics.counter(
        "penstock_kanban_bytes_total",
        "Bytes of the data files of tokens that a filter has handed on.",
        ("filter", "bucket"),
    )
    workers = metrics.gauge("penstock_kanban_workers", "Workers that run.", ("filter",))
    restarts = metrics.gauge(
        "penstock_kanban_restarts", "Restarts of the workers that there are.", ("filter",)
    )

    def update() -> None:
        for column in board_status(board()).columns:
            for part in PARTS:
                count = getattr(column.counts, part)
                tokens.labels(bucket=column.pipe, part=part).set(count)
            oldest.labels(bucket=column.pipe).set(column.oldest_s)
            limits.labels(bucket=column.pipe).set(column.limit)
        totals = rates.totals() if rates else {}
        for config in board().config.filters:
            place = {"filter": config.name, "bucket": config.input_pipe}
            counts = totals.get(config.name, Counter())
            for result in (DONE, FAILED, RETRIED):
                done.labels(**place, result=result).value = counts[result]
            size.labels(**place).value = counts[BYTES]
            hands = [hand for hand in crew.hands if hand.filter == config.name]
            running = sum(hand.state == "running" for hand in hands)
            workers.labels(filter=config.name).set(running)
            restarts.labels(filter=config.name).set(sum(hand.restarts for hand in hands))

    metrics.on_scrape(update)
