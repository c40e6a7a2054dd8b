"""What a line holds that the schema has no place for, as the text of one JSON object."""

from dataclasses import dataclass


@dataclass(slots=True)
class _Frame:
    """An object or list that is being read."""

    label: bytes = b""
    """What the value that is being read in it is called."""

    open: bool = False
    """Whether its bracket was written."""


class Rescued:
    """Writes the object, shaped like the line, while the line is read from left to right.

    A bracket is written only when something inside of it is rescued. A list becomes an object
    with the items' numbers as keys. Keys and values stand as they do in the line, byte for byte.
    """

    def __init__(self) -> None:
        """Nothing is rescued yet."""
        self._text = bytearray()
        self._frames: list[_Frame] = []

    @property
    def text(self) -> str | None:
        """The object; None if nothing was rescued."""
        return self._text.decode() or None

    def enter(self) -> None:
        """An object or list opens."""
        self._frames.append(_Frame())

    def at(self, label: bytes) -> None:
        """What comes next in the inmost one is called so, quotes included."""
        self._frames[-1].label = label

    def put(self, value: bytes) -> None:
        """Rescue what was read last, the inmost label being its name."""
        above = None
        for frame in self._frames:
            if not frame.open:
                if above is not None:
                    self._label(above)
                self._text += b"{"
                frame.open = True
            above = frame
        self._label(self._frames[-1])
        self._text += value

    def leave(self) -> None:
        """The inmost one closes."""
        if self._frames.pop().open:
            self._text += b"}"

    def _label(self, frame: _Frame) -> None:
        if not self._text.endswith(b"{"):  # with which no value ends
            self._text += b","
        self._text += frame.label + b":"
