"""Many messages in one: what batches travel as while nothing sets one of them apart."""

from collections.abc import Sequence
from itertools import chain
from typing import Any, Generic, TypeVar

from penstock.flow._message import Message, Mint, Sizes, sizes_of

T = TypeVar("T")


class Pack(Generic[T]):
    """Payloads, and beside them the ids and sizes of the messages that they would be.

    Of messages whose source wants no acks, in their first attempt, and not part of a tree, the runtime
    needs to know nothing else; a list is handed on for a fraction of what its messages take.
    Whoever needs the messages, to retry one or to bury it, has them made. Nothing in a pack is ever
    changed but `since`: when it came into the channel that holds it.
    """

    __slots__ = ("_mint", "bytes", "count", "ids", "payloads", "since", "sizes")

    def __init__(self, payloads: list[T], ids: Sequence[int], sizes: Sizes, mint: Mint) -> None:
        """Make one of lists that nobody else has.

        Args:
            payloads: One per message, in their order.
            ids: As many.
            sizes: As many, or the one that all have.
            mint: Makes the messages if they are needed.
        """
        self.payloads = payloads
        self.ids = ids
        self.sizes = sizes
        self.count = len(payloads)
        self.bytes = sizes * self.count if isinstance(sizes, int) else sum(sizes)
        self.since = 0.0
        self._mint = mint

    def __len__(self) -> int:
        return self.count

    def messages(self) -> list[Message[T]]:
        """The messages themselves; made anew by each call."""
        return self._mint.wrap(self.payloads, self.ids, self.sizes)

    def part(self, start: int, end: int) -> "Pack[T]":
        """Those from `start` up to `end`."""
        sizes = self.sizes
        part = Pack(
            self.payloads[start:end],
            self.ids[start:end],
            sizes if isinstance(sizes, int) else sizes[start:end],
            self._mint,
        )
        part.since = self.since
        return part

    def cut(self, size: int) -> list["Pack[T]"]:
        """In parts of `size`, and one of the rest."""
        return [self.part(start, start + size) for start in range(0, self.count, size)]

    def fitting(self, size: int) -> int:
        """How many of the first take at most `size` bytes together."""
        if isinstance(self.sizes, int):
            return min(len(self), max(size, 0) // max(self.sizes, 1))
        for count, each in enumerate(self.sizes):
            size -= each
            if size < 0:
                return count
        return len(self)

    def become(self, payloads: list[Any], kinds: set[type]) -> "Pack[Any]":
        """The same messages with other payloads, which nobody else has, of these kinds."""
        return Pack(payloads, self.ids, sizes_of(payloads, kinds), self._mint)


def joined(packs: Sequence[Pack[T]]) -> Pack[T]:
    """One pack of several, at least one, in their order."""
    first = packs[0]
    if len(packs) == 1:
        return first
    same = isinstance(first.sizes, int) and all(pack.sizes == first.sizes for pack in packs)
    sizes = first.sizes if same else list(chain.from_iterable(map(_each, packs)))
    payloads = list(chain.from_iterable([pack.payloads for pack in packs]))
    ids = list(chain.from_iterable([pack.ids for pack in packs]))
    pack = Pack(payloads, ids, sizes, first._mint)  # noqa: SLF001 - of the same class
    pack.since = first.since
    return pack


def _each(pack: Pack[Any]) -> list[int]:
    return [pack.sizes] * len(pack) if isinstance(pack.sizes, int) else pack.sizes
