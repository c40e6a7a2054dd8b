"""Damage done to lines of JSON, by seed, so that two decoders can be compared on the result."""

from random import Random

from penstock.ingest import DecoderOptions
from penstock.testing._line_generator import GeneratedLines, generate

_BYTES = b'{}[]",:\\/0123456789-+.eEtfnu \t\r\x00\x01\x1f\x7f\x80\xbf\xc2\xe2\xed\xf0\xf4\xff'
_TOKENS = (
    *(b"null", b"true", b"NaN", b"-Infinity", b"{}", b"[]", b'""', b"0", b"-", b"01", b"1.5", b"1e400"),
    *(b"9223372036854775808", b"-9223372036854775809", b"2147483648", b"1e999999999", b"4.9e-324"),
    *(b"1.0", b"1e3", b"-0.0", b"12.50e1", b"1e-1", b"100000000000000000000000e-20", b"1" * 19 + b".0000000", b"1" * 18 + b".00000001"),
    *(b"1704067200", b"1704067200.123456", b"1704067200123", b"-62135596800", b"253402300800", b"1704067200.1234567", b"-1.5e-7"),
    *(b'"1.5"', b'"1e3"', b'"-0"', b'"1 "', b'""', b'"99999999999999999999"', b"Infinity", rb'"\u0031"'),
    *(b'"12"', b'"2024-02-30"', b'"2024-01-01T10:00:00.123456789Z"', b'"AA=="', b'"AB=="', b"\xef\xbb\xbf"),
    *(rb"\ud800", rb"\udc00", rb"\ud83d\ude00", rb"\u0061", rb"\q", rb"\u12", b"\xc0\x80", b"\xed\xa0\x80"),
    *(b"\xf4\x90\x80\x80", b"\xe2\x82", b"[" * 250, b'{"a":' * 250, b"]", b"}", b",", b",,", b'"a":1,'),
)  # fmt: skip


def generate_damaged(seed: int, rows: int = 20, share: float = 0.6) -> GeneratedLines:
    """Lines of a generated schema, of which about `share` are damaged; `rows` stays empty.

    Every other schema has a rescue column, and two of three have options other than the default.

    Equal seeds give equal lines. No line contains a newline.
    """
    made = generate(seed, rows, rescue="_rescued" if seed % 2 else None)
    random = Random(f"damage {seed}")  # noqa: S311  # reproducible on purpose, guards nothing
    lines = [
        mutate(line, random, made.lines) if random.random() < share else line for line in made.lines
    ]
    options = DecoderOptions() if seed % 3 == 0 else _options(random)
    return GeneratedLines(made.schema, lines, [], 0, options)


def _options(random: Random) -> DecoderOptions:
    """Each leniency one time in two, and limits that some lines meet."""
    units = ("refuse", "seconds", "milliseconds", "microseconds", "nanoseconds")
    return DecoderOptions(
        max_depth=random.choice((200, 200, 5)),
        max_line_bytes=random.choice((1 << 26, 1 << 26, 300)),
        finer_timestamps=random.choice(("refuse", "cut")),
        epoch_timestamps=random.choice(units),
        whole_fractions=random.choice(("refuse", "read")),
        quoted_numbers=random.choice(("refuse", "read")),
        not_a_number=random.choice(("refuse", "nullify")),
        duplicate_keys=random.choice(("refuse", "last")),
    )


def mutate(line: bytes, random: Random, others: list[bytes]) -> bytes:
    """A line that differs from `line` in one to three places; it may still be a good one.

    Args:
        line: A good line.
        random: Where the choices come from.
        others: Lines of the same schema, to take pieces from.
    """
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        line = random.choice(_MUTATIONS)(line, random, others)
    return line.replace(b"\n", b" ")


def _place(line: bytes, random: Random) -> int:
    return random.randint(0, len(line))


def _put_byte(line: bytes, random: Random, _: list[bytes]) -> bytes:
    at = _place(line, random)
    return line[:at] + bytes([random.choice(_BYTES)]) + line[at + random.randint(0, 1) :]


def _put_token(line: bytes, random: Random, _: list[bytes]) -> bytes:
    at = _place(line, random)
    return line[:at] + random.choice(_TOKENS) + line[at + random.choice((0, 0, 1, 4)) :]


def _put_value(line: bytes, random: Random, _: list[bytes]) -> bytes:
    """Another value behind one of the colons: the likeliest way to a wrong type."""
    colons = [at for at, byte in enumerate(line) if byte == ord(":")]
    if not colons:
        return line
    at = random.choice(colons) + 1
    ends = [end for end in (line.find(b",", at), line.find(b"}", at)) if end >= 0]
    return line[:at] + random.choice(_TOKENS) + line[min(ends, default=at) :]


def _repeat_member(line: bytes, random: Random, _: list[bytes]) -> bytes:
    """A key and its value once more, which a later mutation may change."""
    quotes = [at for at, byte in enumerate(line) if byte == ord('"')]
    if not quotes:
        return line
    start = random.choice(quotes)
    ends = [end for end in (line.find(b",", start), line.find(b"}", start)) if end >= 0]
    end = min(ends, default=len(line))
    return line[:end] + b"," + line[start:end] + line[end:]


def _cut(line: bytes, random: Random, _: list[bytes]) -> bytes:
    start = _place(line, random)
    return line[:start] + line[start + random.choice((1, 2, 5, len(line))) :]


def _repeat(line: bytes, random: Random, _: list[bytes]) -> bytes:
    start = _place(line, random)
    end = min(len(line), start + random.choice((1, 5, 20, 60)))
    return line[:end] + line[start:end] + line[end:]


def _flip(line: bytes, random: Random, _: list[bytes]) -> bytes:
    if not line:
        return line
    at = random.randrange(len(line))
    return line[:at] + bytes([line[at] ^ 1 << random.randrange(8)]) + line[at + 1 :]


def _splice(line: bytes, random: Random, others: list[bytes]) -> bytes:
    other = random.choice(others)
    return line[: _place(line, random)] + other[_place(other, random) :]


_MUTATIONS = (
    _repeat_member,
    _put_byte,
    _put_token,
    _put_value,
    _put_value,
    _cut,
    _repeat,
    _flip,
    _splice,
)
