"""What the conformance suites of decoders compare, and how they say what differs."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa

from penstock.ingest import Chunk, Decoded, Decoder, LineError, RejectedLine, SchemaConfig


def schema_of(fields: Sequence[Mapping[str, Any]]) -> pa.Schema:
    """The Arrow schema of declared fields."""
    return SchemaConfig.model_validate({"fields": list(fields)}).to_arrow()


def rescuing(fields: Sequence[Mapping[str, Any]]) -> pa.Schema:
    """The same with a rescue column."""
    config = {"fields": list(fields), "rescue": "_rescued"}
    return SchemaConfig.model_validate(config).to_arrow()


def whole(data: bytes, first_line: int = 1, offset: int = 0) -> Chunk:
    """A chunk, by default the first of its file."""
    return Chunk(data, first_line, offset)


def rejection(decoder: Decoder, marked: bytes, error: LineError, column: str) -> list[str]:
    """How the decoder's view of one bad line differs from what the table says."""
    position = marked.index(b"~")
    line = marked[:position] + marked[position + 1 :]
    decoded = checked(decoder.decode(whole(line, 3, 7)))
    wanted = RejectedLine(3, 7, len(line), error, column, position)
    if decoded.rejected == (wanted,) and decoded.batch.num_rows == 0:
        return []
    got = decoded.rejected[0] if decoded.rejected else decoded.batch.to_pylist()
    return [f"{line[:100]!r}: expected {wanted}, got {got}"]


def acceptance(decoder: Decoder, line: bytes) -> list[str]:
    """What speaks against the line's being one row."""
    decoded = checked(decoder.decode(whole(line)))
    if decoded.batch.num_rows == 1 and not decoded.rejected:
        return []
    return [f"{line[:100]!r}: expected a row, got {decoded.rejected}"]


def same(found: object, wanted: object) -> bool:
    """Equal to the last bit: `-0.0` is not `0.0`, `1` is not `True`."""
    return repr(_plain(found)) == repr(_plain(wanted))


def _plain(value: object) -> object:
    """`value` with its times as text: libraries disagree on which object stands for UTC."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict):
        return {key: _plain(member) for key, member in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def report(differences: Sequence[str]) -> None:
    """Fail with all differences, if there are any."""
    if differences:
        shown = "\n".join(differences[:40])
        raise AssertionError(f"{len(differences)} differences:\n{shown}")


def unequal(found: Sequence[object], wanted: Sequence[object]) -> list[str]:
    return [] if same(found, wanted) else [f"expected {wanted!r}, got {found!r}"]


def row_of(schema: pa.Schema, values: Mapping[str, object]) -> dict[str, object]:
    return {name: values.get(name) for name in schema.names}


def checked(decoded: Decoded) -> Decoded:
    decoded.batch.validate(full=True)
    return decoded
