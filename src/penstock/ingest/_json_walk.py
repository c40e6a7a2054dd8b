"""The grammar of JSON over the bytes of one line, by RFC 8259, with the place of every fault.

All functions take the line, where to read, and the column whose value is being read (for the
fault's record); they return what they read and where it ends.
"""

import re
from enum import IntEnum

from penstock.ingest._decoder import LineError


class LineFaultError(Exception):
    """The first fault of a line; caught where lines become rows, and never seen outside."""

    def __init__(self, error: LineError, column: str, position: int) -> None:
        super().__init__(error, column, position)
        self.error = error
        self.column = column
        self.position = position


class Kind(IntEnum):
    """What a value is, as its first bytes tell; the numbers are the groups of the pattern below."""

    STRING = 1
    OBJECT = 2
    ARRAY = 3
    NOT_A_NUMBER = 4
    NUMBER = 5
    NULL = 6
    TRUE = 7
    FALSE = 8


_VALUE = re.compile(rb'(")|(\{)|(\[)|(NaN|-?Infinity)|([-0-9])|(null)|(true)|(false)')
_KINDS: tuple[Kind | None, ...] = (None, *Kind)
_SPACES = frozenset({b" ", b"\t", b"\r"})
_NUMBER = re.compile(rb"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_EXPONENT_HEAD = re.compile(rb"[eE][+-]?")
_ASCII_STRING = re.compile(rb'"([^"\\\x00-\x1f\x80-\xff]*)"')
_TEXT = re.compile(rb'[^"\\\x00-\x1f]*')
_UNICODE_ESCAPE = re.compile(rb"\\u([0-9a-fA-F]{4})")
_LOW_SURROGATE = re.compile(rb"\\u([dD][c-fC-F][0-9a-fA-F]{2})")
_CUT_ESCAPE = re.compile(rb"\\(?:u[0-9a-fA-F]{0,3})?\Z")
_ESCAPES = {
    b'\\"': '"',
    b"\\\\": "\\",
    b"\\/": "/",
    b"\\b": "\b",
    b"\\f": "\f",
    b"\\n": "\n",
    b"\\r": "\r",
    b"\\t": "\t",
}
_CLOSING = {Kind.OBJECT: b"}", Kind.ARRAY: b"]"}


def space_end(line: bytes, at: int) -> int:
    """Where the first byte that is not white space stands."""
    while line[at : at + 1] in _SPACES:
        at += 1
    return at


def kind_at(line: bytes, at: int, column: str) -> Kind:
    """The kind of the value at `at`; literals are checked to their last letter."""
    found = _VALUE.match(line, at)
    kind = _KINDS[found.lastindex or 0] if found else None
    if kind is None:
        raise LineFaultError(LineError.SYNTAX, column, at)
    if kind is Kind.NOT_A_NUMBER:
        raise LineFaultError(LineError.NOT_A_NUMBER, column, at)
    return kind


def nan_end(line: bytes, at: int) -> int:
    """Where the `NaN`, `Infinity` or `-Infinity` at `at` ends."""
    found = _VALUE.match(line, at)
    return found.end() if found else at


def number_at(line: bytes, at: int, column: str) -> tuple[bytes, bool, int]:
    """The text of the number, whether it has neither fraction nor exponent, and its end."""
    found = _NUMBER.match(line, at)
    if found is None:  # a minus sign and no digit
        raise LineFaultError(LineError.SYNTAX, column, at + 1)
    end = found.end()
    fraction, exponent = found.groups()
    if exponent is None:
        head = _EXPONENT_HEAD.match(line, end)
        if head:
            raise LineFaultError(LineError.SYNTAX, column, head.end())
        if fraction is None and line[end : end + 1] == b".":
            raise LineFaultError(LineError.SYNTAX, column, end + 1)
    return found[0], fraction is None and exponent is None, end


def string_at(line: bytes, at: int, column: str) -> tuple[str, int]:
    """The string whose opening quote stands at `at`, with its escapes replaced."""
    simple = _ASCII_STRING.match(line, at)
    if simple:
        return simple[1].decode("ascii"), simple.end()
    pieces = []
    at += 1
    while True:
        text, at = _text_at(line, at, column)
        pieces.append(text)
        byte = line[at : at + 1]
        if byte == b'"':
            return "".join(pieces), at + 1
        if byte == b"\\":
            text, at = _escape_at(line, at, column)
            pieces.append(text)
        elif byte == b"":
            raise LineFaultError(LineError.SYNTAX, column, at)
        else:
            raise LineFaultError(LineError.CONTROL_CHARACTER, column, at)


def _text_at(line: bytes, at: int, column: str) -> tuple[str, int]:
    found = _TEXT.match(line, at)
    raw = found[0] if found else b""
    try:
        return raw.decode(), at + len(raw)
    except UnicodeDecodeError as error:
        raise LineFaultError(LineError.UTF8, column, at + error.start) from error


def _escape_at(line: bytes, at: int, column: str) -> tuple[str, int]:
    short = _ESCAPES.get(line[at : at + 2])
    if short is not None:
        return short, at + 2
    found = _UNICODE_ESCAPE.match(line, at)
    if found is None:
        if _CUT_ESCAPE.match(line, at):
            raise LineFaultError(LineError.SYNTAX, column, len(line))
        raise LineFaultError(LineError.ESCAPE, column, at)
    code = int(found[1], 16)
    if 0xD800 <= code < 0xDC00:
        low = _LOW_SURROGATE.match(line, found.end())
        if low is None:
            raise LineFaultError(LineError.ESCAPE, column, at)
        return chr(0x10000 + ((code - 0xD800) << 10) + int(low[1], 16) - 0xDC00), low.end()
    if 0xDC00 <= code < 0xE000:
        raise LineFaultError(LineError.ESCAPE, column, at)
    return chr(code), found.end()


def colon_end(line: bytes, at: int, column: str) -> int:
    """Where the value after the colon starts; `at` is the end of the key."""
    at = space_end(line, at)
    if line[at : at + 1] != b":":
        raise LineFaultError(LineError.SYNTAX, column, at)
    return space_end(line, at + 1)


def key_at(line: bytes, at: int, column: str) -> tuple[str, int]:
    """The key that must start at `at`, and where it ends."""
    if line[at : at + 1] != b'"':
        raise LineFaultError(LineError.SYNTAX, column, at)
    return string_at(line, at, column)


def open_at(at: int, column: str, depth: int, max_depth: int) -> int:
    """The depth inside the bracket at `at`, unless that is too deep."""
    if depth >= max_depth:
        raise LineFaultError(LineError.DEPTH, column, at)
    return depth + 1


def value_end(line: bytes, at: int, column: str, depth: int, max_depth: int) -> int:
    """Check any value by the full grammar and return its end; needs no stack of calls."""
    closing: list[bytes] = []
    while True:
        kind = kind_at(line, at, column)
        if kind in _CLOSING:
            open_at(at, column, depth + len(closing), max_depth)
            at = space_end(line, at + 1)
            if line[at : at + 1] != _CLOSING[kind]:
                closing.append(_CLOSING[kind])
                at = _member_at(line, at, column, closing[-1])
                continue
            at += 1
        else:
            at = _scalar_end(line, at, column, kind)
        following = _next_value(line, at, column, closing)
        if not closing:
            return following
        at = following


def _scalar_end(line: bytes, at: int, column: str, kind: Kind) -> int:
    if kind is Kind.STRING:
        return string_at(line, at, column)[1]
    if kind is Kind.NUMBER:
        return number_at(line, at, column)[2]
    return at + (5 if kind is Kind.FALSE else 4)


def _member_at(line: bytes, at: int, column: str, closing: bytes) -> int:
    """Where the value of the member at `at` starts: after its key, in an object."""
    if closing == b"]":
        return at
    return colon_end(line, key_at(line, at, column)[1], column)


def _next_value(line: bytes, at: int, column: str, closing: list[bytes]) -> int:
    """After a value: close what ends here; where the next value starts, or the end of all."""
    while closing:
        at = space_end(line, at)
        byte = line[at : at + 1]
        if byte == b",":
            return _member_at(line, space_end(line, at + 1), column, closing[-1])
        if byte != closing[-1]:
            raise LineFaultError(LineError.SYNTAX, column, at)
        closing.pop()
        at += 1
    return at
