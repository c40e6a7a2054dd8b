"""What a board is said to be, while tokens move under the eyes of who looks."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from penstock.kanban import Bucket, Counts, recover
from penstock.kanban._disk import Disk
from penstock.kanban._load import Board
from penstock.kanban._places import ALIVE
from penstock.kanban._status import at_rest
from tests.kanban.boards import make_token
from tests.kanban.test_catalogue import make_board


class RecoveredWhileCounted(Bucket):
    """A bucket that others recover after its waiting tokens were counted, and before its claims."""

    def counts(self) -> Counts:
        before = super().counts()
        recover(self)
        return replace(before, claimed=super().counts().claimed)


class RecoveredBoard(Board):
    """A board of such buckets."""

    def bucket(self, pipe: str, disk: Disk | None = None) -> Bucket:
        return RecoveredWhileCounted(self.root / pipe, sync=False)


@pytest.fixture
def board(tmp_path: Path) -> Board:
    """A board whose buckets are recovered whenever somebody looks."""
    (tmp_path / "books.csv").write_text("barcode,converted\n")
    made = make_board(tmp_path, "books.csv")
    return RecoveredBoard(made.config, made.file, made.root, made.text)


def test_a_token_that_goes_back_between_two_counts_keeps_the_board_from_being_idle(
    board: Board,
) -> None:
    """A look that missed it on its way from a dead worker would end the run with work undone."""
    bucket = board.bucket("p/asked")
    worker = Path(bucket.places.claimed, "dead")
    worker.mkdir()
    (worker / ALIVE).touch()
    (worker / "b1.json").write_bytes(make_token().encode())

    assert not at_rest(board)


def test_a_board_on_which_nothing_can_move_is_at_rest(board: Board) -> None:
    """What has reached the end waits for nobody."""
    board.bucket("p/done").put(make_token())

    assert at_rest(board)
