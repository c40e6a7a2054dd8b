"""Seeded schemas, rows and lines, whole and damaged: food for any two decoders that must agree."""

import base64
import dataclasses
import json
import math
import struct
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from random import Random
from types import MappingProxyType
from typing import Any

import pyarrow as pa

from penstock.ingest import Chunk, DecoderOptions, SchemaConfig

_NAMES = ("a", "b", "id", "name", "é€", "user name", 'q"\\', "x" * 40, "a.b", "A", "_", "0", "字")
_TEXTS = (
    "",
    "a",
    "plain text",
    "é€😀",
    "\x00\x1f\x7f",
    '"\\/',
    "x" * 31,
    "y" * 70,
    "\ud7ff\ue000",
    "2024-01-01",
    "null",
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclasses.dataclass(frozen=True)
class GeneratedLines:
    """Lines made for a schema, with the rows they stand for."""

    schema: pa.Schema
    """What the lines were made for."""

    lines: list[bytes]
    """Each without its newline."""

    rows: list[dict[str, Any]]
    """What each line holds; as `RecordBatch.to_pylist` gives it."""

    unknown_fields: int
    """Keys in the lines that the schema does not have."""

    options: DecoderOptions = dataclasses.field(default_factory=DecoderOptions)
    """What a decoder of them may let through."""

    def chunk(self) -> Chunk:
        """All the lines, as the start of a file."""
        return Chunk(b"\n".join(self.lines), 1, 0)


def generate(seed: int, rows: int = 20, *, rescue: str | None = None) -> GeneratedLines:
    """Make a schema and good lines for it; equal seeds give equal lines.

    Args:
        seed: Where the choices come from.
        rows: How many lines.
        rescue: The schema's rescue column; the rows say nothing about it.
    """
    random = Random(seed)  # noqa: S311  # reproducible on purpose, guards nothing
    fields = _fields(random, depth=0)
    schema = SchemaConfig.model_validate({"fields": fields, "rescue": rescue}).to_arrow()
    writer = _Writer(random)
    made = [writer.object(fields) for _ in range(rows)]
    lines = [writer.space() + text.encode() + writer.space() for text, _ in made]
    return GeneratedLines(schema, lines, [row for _, row in made], writer.unknown)


def _fields(random: Random, depth: int) -> list[dict[str, Any]]:
    names = random.sample(_NAMES, random.randint(1, 8 if depth == 0 else 3))
    if "a" in names and "A" in names:
        names.remove("A")
    return [_field(random, name, depth) for name in names]


def _field(random: Random, name: str, depth: int) -> dict[str, Any]:
    kinds = [*_SCALARS, *(["struct"] * 3 if depth < 3 else [])]
    type_ = random.choice(kinds)
    field: dict[str, Any] = {"name": name, "nullable": random.random() < 0.7}
    if type_ == "struct":
        field["fields"] = _fields(random, depth + 1)
    for _ in range(random.choice((0, 0, 0, 1, 1, 2))):
        type_ = f"list<{type_}>"
    return field | {"type": type_}


class _Writer:
    """Writes values as JSON in many ways: any order of keys, any escapes, any white space."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.unknown = 0

    def space(self) -> bytes:
        return self._random.choice((b"", b"", b"", b" ", b"\t", b"\r", b"  "))

    def object(self, fields: list[dict[str, Any]]) -> tuple[str, dict[str, Any]]:
        members = []
        row = {}
        for field in fields:
            text, row[field["name"]] = self._member(field)
            if text is not None:
                members.append(f"{self._text(field['name'])}{self._gap()}:{self._gap()}{text}")
        for name in ("?", "??")[: self._random.choice((0, 0, 0, 1, 2))]:
            self.unknown += 1
            members.append(f'"{name}":{self._any(3)}')
        self._random.shuffle(members)
        return "{" + f"{self._gap()},{self._gap()}".join(members) + self._gap() + "}", row

    def _member(self, field: dict[str, Any]) -> tuple[str | None, Any]:
        if field["nullable"] and self._random.random() < 0.2:
            return self._random.choice((None, "null")), None
        return self._value(field["type"], field)

    def _value(self, type_: str, field: dict[str, Any]) -> tuple[str, Any]:
        if type_.startswith("list<"):
            items = [self._item(type_[5:-1], field) for _ in range(self._random.choice((0, 1, 3)))]
            return f"[{','.join(text for text, _ in items)}]", [item for _, item in items]
        if type_ == "struct":
            return self.object(field["fields"])
        if type_ == "json":
            text = self._any(3)
            return text, None if text == "null" else text
        text, value = _SCALARS[type_](self._random)
        return (self._text(text) if type_ in _QUOTED else text), value

    def _item(self, type_: str, field: dict[str, Any]) -> tuple[str, Any]:
        return ("null", None) if self._random.random() < 0.1 else self._value(type_, field)

    def _gap(self) -> str:
        return self.space().decode()

    def _text(self, value: str) -> str:
        plain = json.dumps(value, ensure_ascii=self._random.random() < 0.4)
        if self._random.random() < 0.1 and value and value.isascii():
            return '"' + "".join(f"\\u{ord(letter):04x}" for letter in value) + '"'
        return plain

    def _any(self, depth: int) -> str:
        shape = self._random.randrange(8 if depth else 6)
        if shape == 6:
            return (
                "[" + ",".join(self._any(depth - 1) for _ in range(self._random.randrange(3))) + "]"
            )
        if shape == 7:
            inner = ",".join(
                f'"k":{self._any(depth - 1)}' for _ in range(self._random.randrange(3))
            )
            return "{" + inner + "}"
        text = self._text(self._random.choice(_TEXTS))
        return ("1", "-0.5e+999", "true", "{}", text, "[ ]")[shape]


def _integer(bits: int) -> Callable[[Random], tuple[str, int]]:
    def make(random: Random) -> tuple[str, int]:
        edge = 1 << random.randrange(bits)
        value = random.choice((edge - 1, -edge, random.randrange(edge), 0))
        return str(value), value

    return make


def _float64(random: Random) -> tuple[str, float]:
    value = struct.unpack("<d", random.randbytes(8))[0]
    if not math.isfinite(value):
        value = random.choice((0.1, 1e22, 5e-324, -0.0))
    return random.choice((repr(value), f"{value:.25e}", f"{value:.16E}")), value


def _float32(random: Random) -> tuple[str, float]:
    value = struct.unpack("<f", random.randbytes(4))[0]
    if not math.isfinite(value):
        value = 0.5
    return random.choice((repr(value), f"{value:.9e}")), value


def _boolean(random: Random) -> tuple[str, bool]:
    value = random.random() < 0.5
    return ("true" if value else "false"), value


def _string(random: Random) -> tuple[str, str]:
    value = random.choice(_TEXTS) + random.choice(_TEXTS)
    return value, value


def _binary(random: Random) -> tuple[str, bytes]:
    value = random.randbytes(random.randrange(12))
    return base64.b64encode(value).decode(), value


def _date(random: Random) -> tuple[str, date]:
    value = date.fromordinal(random.randint(1, date.max.toordinal()))
    return value.isoformat(), value


def _timestamp(random: Random) -> tuple[str, datetime]:
    value = _EPOCH + timedelta(microseconds=random.randrange(-(10**16), 10**17))
    if random.random() < 0.3:
        value = value.replace(microsecond=0)
    text = value.replace(tzinfo=None).isoformat(random.choice("T "))
    return text + random.choice(("", "Z", "+00:00")), value


_SCALARS: Mapping[str, Callable[[Random], tuple[str, Any]]] = MappingProxyType(
    {
        "string": _string,
        "int32": _integer(31),
        "int64": _integer(63),
        "float32": _float32,
        "float64": _float64,
        "boolean": _boolean,
        "timestamp": _timestamp,
        "date": _date,
        "binary": _binary,
        "json": _string,
    }
)
_QUOTED = frozenset({"string", "timestamp", "date", "binary"})
