"""Delta tables as Spark and Trino see them, in the values of Python."""

import base64
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol
from uuid import uuid4

import pyarrow as pa

from tools.engines.sql_client import spark_rows, trino_rows


class SqlReader(Protocol):
    """An engine that has a Delta reader of its own."""

    refused_codecs: frozenset[str]
    """What it fails to read, loudly."""

    def rows(self, table: Path, schema: pa.Schema) -> list[dict[str, Any]]:
        """All rows in the order of `id`; the schema says how the engine's JSON is to be understood."""
        ...

    def instant(self, value: datetime) -> datetime:
        """What the engine is expected to read for a timestamp that was written."""
        ...


class SparkReader(SqlReader):
    """Behind `tools.engines.spark_server`."""

    refused_codecs = frozenset[str]()

    def __init__(self, address: str) -> None:
        self._address = address

    def rows(self, table: Path, schema: pa.Schema) -> list[dict[str, Any]]:
        found = spark_rows(self._address, f"SELECT * FROM delta.`{table}` ORDER BY id")
        return python_rows(found, schema)

    def instant(self, value: datetime) -> datetime:
        return value


class TrinoReader(SqlReader):
    """Over Trino's own protocol. It takes every LZ4 for Hadoop's, which has frames that Parquet's has not."""

    refused_codecs = frozenset({"lz4"})

    def __init__(self, address: str) -> None:
        self._address = address
        trino_rows(address, "CREATE SCHEMA IF NOT EXISTS delta.tables")

    def rows(self, table: Path, schema: pa.Schema) -> list[dict[str, Any]]:
        name = f"t{uuid4().hex}"
        where = f"'tables', '{name}', 'file://{table}'"
        trino_rows(self._address, f"CALL delta.system.register_table({where})")
        found = trino_rows(self._address, f"SELECT * FROM delta.tables.{name} ORDER BY id")
        return python_rows([dict(zip(schema.names, row, strict=True)) for row in found], schema)

    def instant(self, value: datetime) -> datetime:
        """Trino has milliseconds for Delta's timestamps, and rounds half up."""
        value += timedelta(microseconds=500)
        return value.replace(microsecond=value.microsecond // 1000 * 1000)


def python_rows(found: list[dict[str, Any]], schema: pa.Schema) -> list[dict[str, Any]]:
    """As `to_pylist` gives them."""
    return [
        {field.name: python_value(row[field.name], field.type) for field in schema} for row in found
    ]


def python_value(found: Any, kind: pa.DataType) -> Any:
    """Spark has objects for structs, Trino has arrays."""
    if found is None:
        return None
    if pa.types.is_list(kind):
        return [python_value(item, kind.value_type) for item in found]
    if pa.types.is_struct(kind):
        items = found.values() if isinstance(found, dict) else found
        pairs = zip(kind, items, strict=True)
        return {member.name: python_value(item, member.type) for member, item in pairs}
    return _SCALARS.get(str(kind), _as_it_is)(found)


def _as_it_is(found: Any) -> Any:
    return found


def _instant(found: str) -> datetime:
    return datetime.fromisoformat(found.replace(" UTC", "Z"))


_SCALARS: Mapping[str, Callable[[Any], Any]] = MappingProxyType(
    {
        "float": float,
        "double": float,
        "binary": base64.b64decode,
        "date32[day]": date.fromisoformat,
        "timestamp[us, tz=UTC]": _instant,
    }
)
