"""What travels through a flow: a payload and the little that the runtime must know about it."""

import sys
from collections.abc import Callable, Iterable, Sequence
from itertools import repeat
from typing import Any, Generic, TypeVar

from msgspec import Struct, field

from penstock.base import Value

T = TypeVar("T")

Path = int | str | tuple[Any, Any]
"""The id of a source message, or the path of its parent and the place among its siblings."""

Place = int | str
"""Where something stands in a lane of a source: a byte, an index, a cursor; compared by `<`."""

Sizes = int | list[int]
"""The bytes of each of several payloads: one number where all have as many."""

Offset = tuple[str, Place | None, Place]
"""Lane, where what comes before the message ends (None: there is nothing), and where the message ends."""


class Drop(Value):
    """Return it from a stage to filter the message out; `None` does the same without a reason."""

    reason: str = ""
    """For people; counted by the statistics as filtered whatever it says."""


class Notes(Struct):
    """What only a few messages carry, so that the others need not."""

    attempt: int = 1
    weight: int = 1
    place: int = 0
    last: bool = False
    dead: bool = False


class Branch(Struct):
    """One node of the token tree: settled when nothing below it is pending any more."""

    parents: list["Message[Any]"] = field(default_factory=list)
    pending: int = 0
    dead: bool = False


class Message(Generic[T]):
    """One unit of work and its place in the token tree.

    Stage functions see the payload only; sources and sinks see messages.
    """

    __slots__ = ("_path", "branch", "notes", "offset", "payload", "size")

    def __init__(
        self,
        payload: T,
        id: Path = 0,  # noqa: A002 - the field's word
        offset: Offset | None = None,
    ) -> None:
        """Wrap a payload.

        Args:
            payload: Any object.
            id: Stable across restarts where the source can give such an id; otherwise its number.
            offset: Where it stands in a source that can seek: its lane, the end of what comes before
                it there (None: nothing does), and its own end. Numbers or texts, in ascending order.
        """
        self.payload = payload
        self._path = id
        size = FIXED_SIZES.get(type(payload))
        self.size = size_of(payload) if size is None else size
        self.branch: Branch | None = None
        self.notes: Notes | None = None
        self.offset = offset

    @property
    def id(self) -> str:
        """Stable: the source's id, then the place among its siblings at each one-to-many stage."""
        path, places = self._path, []
        while isinstance(path, tuple):
            path, place = path
            places.append(str(place))
        return ".".join([str(path), *reversed(places)])

    @property
    def attempt(self) -> int:
        """Number of the current attempt in the stage that has it, from 1."""
        return 1 if self.notes is None else self.notes.attempt

    @property
    def dead(self) -> bool:
        """Whether anything that was made of this source message was dead-lettered."""
        return self.notes is not None and self.notes.dead

    @property
    def weight(self) -> int:
        """How many messages it stands for: more than 1 below a collective batch."""
        return 1 if self.notes is None else self.notes.weight

    def annotate(self) -> Notes:
        """Its notes, made when first needed."""
        if self.notes is None:
            self.notes = Notes()
        return self.notes

    def child(self, payload: Any, place: int) -> "Message[Any]":
        """A message made of this one; `place` is its number among its siblings."""
        made: Message[Any] = Message(payload, (self._path, place))
        made.branch = self.branch
        return made

    def under(self, prefix: str) -> "Message[T]":
        """A message with the same payload, whose id begins with `prefix`."""
        return Message(self.payload, (prefix, self._path))

    def rename_as(self, other: "Message[Any]") -> None:
        """Take over the id of another message."""
        self._path = other._path  # noqa: SLF001 - of the same class

    def __repr__(self) -> str:
        return f"Message(id={self.id!r}, payload={self.payload!r})"


class Mint:
    """Wraps payloads in messages, used ones where there are some.

    A used message costs a third of a new one, and is nothing for Python's garbage collector to look at.
    """

    def __init__(self) -> None:
        self._used: list[Message[Any]] = []

    def wrap(
        self, payloads: Sequence[T], ids: Iterable[int], sizes: "Sizes | None" = None
    ) -> list[Message[T]]:
        """Messages of these payloads, with these ids; `sizes` is `sizes_of` them."""
        messages = self._blanks(len(payloads))
        sizes = sizes_of(payloads, set(map(type, payloads))) if sizes is None else sizes
        each = repeat(sizes) if isinstance(sizes, int) else sizes
        for message, path, payload, size in zip(messages, ids, payloads, each, strict=False):
            message.payload = payload
            message._path = path  # noqa: SLF001 - made here
            message.size = size
        return messages

    def take_back(self, messages: list[Message[Any]]) -> None:
        """These messages of this source were delivered: nobody looks at them again."""
        for message in messages:
            message.payload = message.notes = None
        self._used += messages

    def _blanks(self, number: int) -> list[Message[Any]]:
        """That many messages without branch and notes; the last used come first, for their memory is at hand."""
        rest = max(len(self._used) - number, 0)
        blanks = self._used[rest:]
        del self._used[rest:]
        new = Message.__new__
        for _ in range(number - len(blanks)):
            message = new(Message)
            message.branch = message.notes = message.offset = None
            blanks.append(message)
        return blanks


def _nbytes(payload: Any) -> int:
    return int(payload.nbytes)


_SIZERS: dict[type, Callable[[Any], int]] = {bytes: len, bytearray: len, str: len}
FIXED_SIZES: dict[type, int] = {int: 28, float: 24, bool: 28, type(None): 16}


def size_of(payload: Any) -> int:
    """Bytes a payload takes: its length, its `nbytes`, or its own size without what it refers to."""
    kind = type(payload)
    size = FIXED_SIZES.get(kind)
    if size is not None:
        return size
    sizer = _SIZERS.get(kind)
    if sizer is None:
        sizer = _nbytes if isinstance(getattr(payload, "nbytes", None), int) else sys.getsizeof
        # Keyed by class, and bounded: programs that make classes without end fall back to asking.
        if len(_SIZERS) < 1024:
            _SIZERS[kind] = sizer
    return sizer(payload)


def sizes_of(payloads: Sequence[Any], kinds: set[type]) -> Sizes:
    """The size of each, as one number where all are of one kind that has a fixed size."""
    if len(kinds) == 1:
        (kind,) = kinds
        size = FIXED_SIZES.get(kind)
        if size is not None:
            return size
        sizer = _SIZERS.get(kind)
        if sizer is not None:
            return list(map(sizer, payloads))
    return list(map(size_of, payloads))
