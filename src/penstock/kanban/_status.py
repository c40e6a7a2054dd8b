"""What a board looks like now: read from its directories, whether or not it runs."""

import time
from collections.abc import Iterator, Mapping

from penstock.base import Value
from penstock.kanban._bucket import Counts
from penstock.kanban._errors import NoSuchTokenError
from penstock.kanban._load import Board
from penstock.kanban._token import Token

PARTS = ("waiting", "claimed", "delayed", "held", "errors")


class Column(Value):
    """One bucket of a board."""

    pipe: str
    filter: str
    """Who takes from it; empty at the end."""
    counts: Counts
    limit: int
    oldest_s: float
    """How long the oldest token has waited, in seconds."""
    foreign: tuple[str, ...]
    """Names in it that are no tokens."""
    per_minute: float | None
    """Tokens that its filter hands on; None where nobody runs the board."""


class BoardStatus(Value):
    """All columns, in the order of the work."""

    columns: tuple[Column, ...]

    @property
    def errors(self) -> int:
        """Tokens that lie in errors."""
        return sum(column.counts.errors for column in self.columns)

    @property
    def open(self) -> int:
        """Tokens that are on their way."""
        return sum(column.counts.content for column in self.columns if column.filter)

    @property
    def done(self) -> int:
        """Tokens at the end."""
        return sum(column.counts.waiting for column in self.columns if not column.filter)


def board_status(board: Board, rates: Mapping[str, float] = {}) -> BoardStatus:
    """Look at every bucket; those that are not there are empty.

    Args:
        board: Whose.
        rates: Tokens per minute by filter, where the board runs.
    """
    takers = {config.input_pipe: config for config in board.config.filters}
    columns = []
    for pipe in board.pipes:
        bucket = board.bucket(pipe)
        if not bucket.path.is_dir():
            continue
        counts = bucket.counts()
        taker = takers.get(pipe)
        columns.append(
            Column(
                pipe,
                taker.name if taker else "",
                counts,
                taker.wip_limit.tokens if taker else 0,
                max(time.time() - counts.oldest, 0.0) if counts.oldest else 0.0,
                tuple(bucket.foreign()[:20]),
                rates.get(taker.name) if taker else None,
            )
        )
    return BoardStatus(tuple(columns))


def at_rest(board: Board) -> bool:
    """Whether no token can move any more.

    Seen in the order in which tokens move; what a dead worker held moves against it, hence twice.
    """
    return not (_content(board) or _content(board))


def _content(board: Board) -> bool:
    return any(board.bucket(pipe).counts().content for pipe in board.inputs)


def find_token(board: Board, identity: str) -> tuple[str, str, Token]:
    """The pipe in which a token lies, the part of it, and the token.

    Raises:
        NoSuchTokenError: No bucket has it.
    """
    for pipe in board.pipes:
        bucket = board.bucket(pipe)
        found = bucket.places.find(identity)
        if found:
            return pipe, found[0], bucket.read(found[1])
    raise NoSuchTokenError(identity, str(board.file))


def list_tokens(board: Board, pipe: str = "", part: str = "") -> Iterator[tuple[str, str, Token]]:
    """Tokens with the pipe and the part in which they lie."""
    for name in board.pipes:
        if pipe in {"", name}:
            bucket = board.bucket(name)
            for word in PARTS:
                if part in {"", word}:
                    for token in bucket.tokens(word):
                        yield name, word, token
