"""What the store has, against what the ledger says."""

from collections.abc import Iterable
from dataclasses import dataclass

from penstock.kanban._bookkeeper import rebuild
from penstock.kanban._ledger import AVAILABLE, COMPLETED, Item, Ledger
from penstock.kanban._load import Board
from penstock.kanban._seeding import Seeder


@dataclass(frozen=True)
class Differences:
    """Where store and ledger disagree; each id once (K10)."""

    lost: tuple[str, ...]
    """Completed, says the ledger, but the store has nothing."""
    unknown: tuple[str, ...]
    """The store has it, but the ledger says that it is not completed."""


def reconcile(board: Board, stored: Iterable[str], *, repair: bool = False) -> Differences:
    """Compare, after the ledger was brought up to date from the buckets.

    Args:
        board: Whose ledger.
        stored: The ids of what the store has.
        repair: Note unknown ones as completed, unless their token is still on its way; offer lost
            ones again, unless a token of theirs is on the board.
    """
    ledger = Ledger(board.state / "ledger.sqlite")
    rebuild(board, ledger)
    there = set(stored)
    completed = {item.barcode for item in ledger.items(COMPLETED)}
    found = Differences(tuple(sorted(completed - there)), tuple(sorted(there - completed)))
    if repair:
        place = Seeder(board, ledger).placed
        ledger.note(Item(i, COMPLETED) for i in found.unknown if not place(i))
        ledger.note(Item(i, AVAILABLE) for i in found.lost if not place(i))
    return found
