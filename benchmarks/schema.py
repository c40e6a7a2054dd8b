"""The columns of the two data sets, and their spelling for peers that do not take Arrow's."""

from typing import Any

import pyarrow as pa

_SECONDS = pa.timestamp("us", tz="UTC")

_AUTHOR = pa.struct([("name", pa.string()), ("commits", pa.int32())])
_COMMIT = pa.struct(
    [("sha", pa.string()), ("distinct", pa.bool_()), ("author", _AUTHOR), ("message", pa.string())]
)
_ACTOR = pa.struct(
    [
        ("id", pa.int64()),
        ("login", pa.string()),
        ("avatar_url", pa.string()),
        ("score", pa.float64()),
    ]
)
_PAYLOAD = pa.struct(
    [
        ("size", pa.int32()),
        ("message", pa.string()),
        ("labels", pa.list_(pa.string())),
        ("commits", pa.list_(_COMMIT)),
    ]
)

SCHEMAS = {
    "flat": pa.schema(
        [
            *(
                (name, pa.int64())
                for name in ("year", "month", "day", "dep_time", "sched_dep_time")
            ),
            ("dep_delay", pa.float64()),
            *((name, pa.int64()) for name in ("arr_time", "sched_arr_time")),
            ("arr_delay", pa.float64()),
            ("carrier", pa.string()),
            ("flight", pa.int64()),
            *((name, pa.string()) for name in ("tailnum", "origin", "dest")),
            *((name, pa.float64()) for name in ("air_time", "distance")),
            *((name, pa.int64()) for name in ("hour", "minute")),
            ("time_hour", _SECONDS),
        ]
    ),
    "nested": pa.schema(
        [
            ("id", pa.string()),
            ("type", pa.string()),
            ("created_at", _SECONDS),
            ("public", pa.bool_()),
            ("actor", _ACTOR),
            ("repo", pa.struct([("id", pa.int64()), ("name", pa.string())])),
            ("payload", _PAYLOAD),
        ]
    ),
}

_SQL = {
    pa.string(): "VARCHAR",
    pa.int32(): "INTEGER",
    pa.int64(): "BIGINT",
    pa.float64(): "DOUBLE",
    pa.bool_(): "BOOLEAN",
    _SECONDS: "TIMESTAMP",
}


def sql_type(kind: pa.DataType) -> str:
    """An Arrow type in DuckDB's words."""
    if pa.types.is_list(kind):
        return f"{sql_type(kind.value_type)}[]"
    if pa.types.is_struct(kind):
        members = ", ".join(f'"{field.name}" {sql_type(field.type)}' for field in kind)
        return f"STRUCT({members})"
    return _SQL[kind]


def yaml_field(field: pa.Field) -> dict[str, Any]:
    """A column in the words of Penstock's configuration."""
    word, kind = "{}", field.type
    while pa.types.is_list(kind):
        word, kind = word.format("list<{}>"), kind.value_type
    if pa.types.is_struct(kind):
        members = [yaml_field(member) for member in kind]
        return {"name": field.name, "type": word.format("struct"), "fields": members}
    words = {pa.bool_(): "boolean", pa.float64(): "float64", _SECONDS: "timestamp"}
    return {"name": field.name, "type": word.format(words.get(kind, str(kind)))}
