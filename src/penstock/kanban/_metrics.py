"""The board in numbers, read from its directories when somebody asks."""

from collections.abc import Callable

from penstock.kanban._crew import Crew
from penstock.kanban._load import Board
from penstock.kanban._status import board_status
from penstock.telemetry import Metrics


def export(metrics: Metrics, board: Callable[[], Board], crew: Crew) -> None:
    """Declare the metrics of a board; they are brought up to date at each scrape."""
    tokens = metrics.gauge(
        "penstock_kanban_tokens",
        "Tokens in a bucket, by part: waiting, claimed, delayed, errors.",
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
    workers = metrics.gauge("penstock_kanban_workers", "Workers that run.", ("filter",))
    restarts = metrics.gauge(
        "penstock_kanban_restarts", "Restarts of the workers that there are.", ("filter",)
    )

    def update() -> None:
        for column in board_status(board()).columns:
            for part in ("waiting", "claimed", "delayed", "errors"):
                count = getattr(column.counts, part)
                tokens.labels(bucket=column.pipe, part=part).set(count)
            oldest.labels(bucket=column.pipe).set(column.oldest_s)
            limits.labels(bucket=column.pipe).set(column.limit)
        for config in board().config.filters:
            hands = [hand for hand in crew.hands if hand.filter == config.name]
            running = sum(hand.state == "running" for hand in hands)
            workers.labels(filter=config.name).set(running)
            restarts.labels(filter=config.name).set(sum(hand.restarts for hand in hands))

    metrics.on_scrape(update)
