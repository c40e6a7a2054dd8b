"""What the store has, against what the ledger says."""

from collections.abc import Iterable, Mapping

from penstock.base import Value
from penstock.kanban._bookkeeper import rebuild
from penstock.kanban._ledger import AVAILABLE, CHOSEN, COMPLETED, Item, Ledger, item_of
from penstock.kanban._load import Board
from penstock.kanban._seat import Seat
from penstock.kanban._seeding import Seeder
from penstock.kanban._status import find_token
from penstock.kanban._stored import Stored, stored
from penstock.kanban._token import DataRef


class Differences(Value):
    """Where store and ledger disagree; each id once."""

    missing: tuple[str, ...]
    """Completed, says the ledger, but the store has nothing."""
    extra: tuple[str, ...]
    """The store has it, but the ledger says that it is not completed."""
    differing: Mapping[str, str]
    """The store has something else than what was stored: what differs, by id."""

    def __bool__(self) -> bool:
        return bool(self.missing or self.extra or self.differing)


def reconcile(
    board: Board,
    names: Iterable[str] | None = None,
    *,
    checksums: bool = False,
    repair: bool = False,
) -> Differences:
    """Compare, after the ledger was brought up to date from the buckets.

    Args:
        board: Whose ledger.
        names: The ids of what the store has; by default the store is looked at.
        checksums: Read everything for its checksum; else sizes are compared.
        repair: Note what is extra as completed, unless its token is still on its way; do again what is
            missing or differs, from the start.
    """
    ledger = Ledger(board.state / "ledger.sqlite")
    rebuild(board, ledger)
    completed = {item.barcode: item for item in ledger.items(COMPLETED)}
    there: dict[str, Stored] | None = None
    if names is None:
        there = stored(board, {item.barcode for item in ledger.items()})
    have = set(there if there is not None else names or ())
    found = Differences(
        tuple(sorted(set(completed) - have)),
        tuple(sorted(have - set(completed))),
        _differing(board, completed, there or {}, checksums=checksums),
    )
    if repair:
        place = Seeder(board, ledger).placed
        ledger.note(Item(i, COMPLETED) for i in found.extra if not place(i))
        for identity in sorted({*found.missing, *found.differing}):
            _repeat(board, ledger, identity, place(identity))
    return found


def _differing(
    board: Board, completed: Mapping[str, Item], there: Mapping[str, Stored], *, checksums: bool
) -> dict[str, str]:
    found = {}
    for identity, item in sorted(completed.items()):
        one = there.get(identity)
        if one is None or one.size is None:
            continue
        if item.bytes and one.size != item.bytes:
            found[identity] = f"expected {item.bytes:,} bytes, got {one.size:,}"
        elif checksums and (said := _checksum(board, identity)) and one.checksum() != said:
            found[identity] = f"expected sha256 {said}, got {one.checksum()}"
    return found


def _checksum(board: Board, identity: str) -> str:
    """What the token at the end says; empty where there is none."""
    for pipe in board.ends:
        bucket = board.bucket(pipe)
        if place := bucket.places.find(identity):
            data: tuple[DataRef, ...] = bucket.read(place[1]).data
            return data[0].sha256 if len(data) == 1 else ""
    return ""


def _repeat(board: Board, ledger: Ledger, identity: str, pipe: str) -> None:
    """Do an item again: its token goes back to the start, or a new one is offered."""
    if not pipe:
        ledger.note([Item(identity, AVAILABLE)])
        return
    if pipe not in board.ends:
        return  # it is on its way
    start = board.bucket(board.entrance).prepare()
    with Seat(board.bucket(pipe), f"reconcile-{identity}", into=start, stage="reconcile") as seat:
        for claim in seat.claim_ids([identity]):
            seat.move(claim, claim.token.with_data())
            ledger.note([item_of(find_token(board, identity)[2], board.entrance, CHOSEN)])
