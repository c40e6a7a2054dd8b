"""Letting tokens in: from the sample or the catalogue, by way of the ledger, as there is room."""

from collections.abc import Sequence

from penstock.kanban._data import reference
from penstock.kanban._errors import NoSuchBucketError, TokenError
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
        self._nothing_at: tuple[int, list[str]] = (0, [])

    def seed(self, sample: Sequence[str] = ()) -> int:
        """Put as many tokens in as there is room for; returns how many.

        Args:
            sample: Only these; by default all that the ledger has as available.
        """
        if sample:
            return self._pour(sample, self.board.entrance)
        looked = (self._ledger.revision, self.board.inputs)
        if looked[0] and looked == self._nothing_at:
            return 0
        entered = sum(self._pour((), pipe) for pipe in looked[1])
        self._nothing_at = (0, []) if self.more() else looked
        return entered

    def more(self, sample: Sequence[str] = ()) -> bool:
        """Whether something waits for room."""
        pipes = [self.board.entrance] if sample else self.board.inputs
        return any(self._next(sample, pipe) for pipe in pipes)

    def placed(self, identity: str) -> str:
        """The pipe in which the token of an id lies; empty where there is none."""
        for pipe in self.board.pipes:
            if self.board.bucket(pipe).places.find(identity):
                return pipe
        return ""

    def completed(self, token: Token) -> Token:
        """The token with the directories of the board where it names none."""
        settings = self.board.settings
        return token.with_places(
            token.processing_bucket or settings.processing_bucket,
            token.done_bucket or settings.done_bucket,
        )

    def _pour(self, sample: Sequence[str], pipe: str) -> int:
        bucket = self.board.bucket(pipe)
        entered = 0
        while group := self._next(sample, pipe):
            fresh = [identity for identity in group if not self.placed(identity)]
            count = bucket.put_many([self.completed(Token(identity)) for identity in fresh])
            missing = set(fresh[count:])
            now = stamp(bucket.clock.now())
            there = [identity for identity in group if identity not in missing]
            self._ledger.note(Item(identity, CHOSEN, pipe, chosen=now) for identity in there)
            self._done.update(there if sample else ())
            entered += count
            if missing:
                break
        return entered

    def _next(self, sample: Sequence[str], pipe: str) -> list[str]:
        if sample:
            return [identity for identity in sample if identity not in self._done][:_GROUP]
        entrance = pipe == self.board.entrance
        return self._ledger.available(_GROUP, pipe, *([""] if entrance else []))


def _measured(board: Board, token: Token) -> Token:
    """The token with size and checksum of data files of which only the path is known.

    Raises:
        TokenError: One of them is not there.
    """
    folder = board.root / token.processing_bucket
    data = []
    for found in token.data:
        path = folder / found.path
        if found.size or "://" in found.path:
            data.append(found)
        elif path.exists():
            data.append(reference(folder, path))
        else:
            raise TokenError(token.id, f"its data file {path} does not exist")
    return token.with_data(*data)


def add(board: Board, tokens: Sequence[str | Token], pipe: str = "") -> int:
    """Let tokens in at any pipe of a board, in the middle of the chain too; returns how many.

    An id alone is a token without data. Those whose id has a token already are left out. Ids for
    which there is no room yet are noted, and enter there when there is; tokens with more to them
    than an id have to be added again.

    Raises:
        NoSuchBucketError: The board has no such pipe.
        TokenError: A data file of a token is not there; none was let in.
    """
    ledger = Ledger(board.state / "ledger.sqlite")
    seeder = Seeder(board, ledger)
    where = pipe or board.entrance
    if where not in board.pipes:
        raise NoSuchBucketError(where, str(board.file), ", ".join(board.pipes))
    bucket = board.bucket(where).prepare()
    given = [Token(token) if isinstance(token, str) else token for token in tokens]
    named = {token.id: _measured(board, seeder.completed(token)) for token in given}
    fresh = [token for identity, token in named.items() if not seeder.placed(identity)]
    count = bucket.put_many(fresh)
    now = stamp(bucket.clock.now())
    ledger.note(Item(token.id, CHOSEN, where, chosen=now) for token in fresh[:count])
    plain = (token.id for token in fresh[count:] if token == seeder.completed(Token(token.id)))
    ledger.offer((identity, where) for identity in plain)
    return count
