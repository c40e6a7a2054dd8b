"""Letting tokens in: from the sample or the catalogue, by way of the ledger, as there is room."""

from collections.abc import Sequence

from penstock.kanban._bucket import Bucket
from penstock.kanban._errors import NoSuchTokenError
from penstock.kanban._ledger import CHOSEN, Item, Ledger
from penstock.kanban._load import Board
from penstock.kanban._token import Token, stamp

_GROUP = 1000


class Seeder:
    """Makes tokens of what is available and puts them where work begins.

    An id that has a token anywhere on the board is not seeded: the board is looked at first, so
    that a crash between token and ledger makes no second one.
    """

    def __init__(self, board: Board, ledger: Ledger) -> None:
        self.board = board
        self._ledger = ledger
        self._done: set[str] = set()

    def seed(self, sample: Sequence[str] = ()) -> int:
        """Put as many tokens in as there is room for; returns how many.

        Args:
            sample: Only these; by default all that the ledger has as available.
        """
        bucket = self.board.bucket(self.board.first)
        entered = 0
        while group := self._next(sample):
            fresh = [identity for identity in group if not self.placed(identity)]
            count = bucket.put_many([self._token(identity) for identity in fresh])
            missing = set(fresh[count:])
            now = stamp(bucket.clock.now())
            there = [identity for identity in group if identity not in missing]
            self._ledger.note(
                Item(identity, CHOSEN, self.board.first, chosen=now) for identity in there
            )
            self._done.update(there if sample else ())
            entered += count
            if missing:
                break
        return entered

    def more(self, sample: Sequence[str] = ()) -> bool:
        """Whether something waits for room."""
        return bool(self._next(sample))

    def placed(self, identity: str) -> str:
        """The pipe in which the token of an id lies; empty where there is none."""
        for pipe in self.board.pipes:
            if self.board.bucket(pipe).places.find(identity):
                return pipe
        return ""

    def _next(self, sample: Sequence[str]) -> list[str]:
        if sample:
            return [identity for identity in sample if identity not in self._done][:_GROUP]
        return self._ledger.available(_GROUP)

    def _token(self, identity: str) -> Token:
        settings = self.board.settings
        return Token(
            identity,
            processing_bucket=settings.processing_bucket,
            done_bucket=settings.done_bucket,
        )


def add(board: Board, ids: Sequence[str], pipe: str = "") -> int:
    """Let tokens in at any pipe of a board, in the middle of the chain too; returns how many.

    Those whose id has a token already are left out.

    Raises:
        NoSuchTokenError: The board has no such pipe.
    """
    ledger = Ledger(board.state / "ledger.sqlite")
    seeder = Seeder(board, ledger)
    where = pipe or board.first
    if where not in board.pipes:
        raise NoSuchTokenError(where, f"{board.file}, whose pipes are {', '.join(board.pipes)}")
    bucket: Bucket = board.bucket(where).prepare()
    fresh = [identity for identity in dict.fromkeys(ids) if not seeder.placed(identity)]
    count = bucket.put_many([seeder._token(identity) for identity in fresh])  # noqa: SLF001 - same file
    now = stamp(bucket.clock.now())
    ledger.note(Item(identity, CHOSEN, where, chosen=now) for identity in fresh[:count])
    ledger.offer(fresh[count:])
    return count
