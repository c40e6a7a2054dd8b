"""What a Parquet footer says about its columns, in the words of the Delta protocol."""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, timedelta
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from penstock.ingest._schema_config import TYPE_KEY

_PREFIX = 32
_HIGHEST = "\U0010ffff"
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  # UTC throughout; written with a Z below

Bound = Callable[[Any], Any]


def delta_stats(metadata: pq.FileMetaData, schema: pa.Schema) -> str:
    """The `stats` of an add action, as JSON.

    Bounds hold for every value: texts are cut to 32 characters and times to milliseconds, the
    lower bound down and the upper one up. Columns inside lists have no statistics, and booleans,
    binary and JSON text only their count of nulls. Follows Delta protocol, "Per-file Statistics".
    """
    stats: dict[str, Any] = {
        "numRecords": metadata.num_rows,
        "minValues": {},
        "maxValues": {},
        "nullCount": {},
    }
    leaves = dict(_leaves(schema, ()))
    for index in range(metadata.num_columns):
        path = metadata.schema.column(index).path
        if path in leaves:
            keys, field = leaves[path]
            _add_column(stats, keys, field, metadata, index)
    return json.dumps(stats, separators=(",", ":"), ensure_ascii=False)


def _leaves(
    fields: Any, above: tuple[str, ...]
) -> Iterator[tuple[str, tuple[tuple[str, ...], pa.Field]]]:
    """Parquet path of each column outside lists, the keys to it, and its field."""
    for field in fields:
        keys = (*above, field.name)
        if pa.types.is_struct(field.type):
            members = [field.type.field(index) for index in range(field.type.num_fields)]
            yield from _leaves(members, keys)
        elif not pa.types.is_list(field.type):
            yield ".".join(keys), (keys, field)


def _add_column(
    stats: dict[str, Any],
    keys: tuple[str, ...],
    field: pa.Field,
    metadata: pq.FileMetaData,
    index: int,
) -> None:
    groups = range(metadata.num_row_groups)
    found = [metadata.row_group(group).column(index).statistics for group in groups]
    if any(group is None or not group.has_null_count for group in found):
        return
    nulls = sum(group.null_count for group in found)
    _put(stats["nullCount"], keys, nulls)
    bounds = _BOUNDS.get(field.type)
    filled = [group for group in found if group.has_min_max]
    complete = sum(group.num_values for group in filled) + nulls == metadata.num_rows
    if bounds is None or not filled or not complete or TYPE_KEY in (field.metadata or {}):
        return
    # Not `.min`: for a timestamp it imports pandas, if that is there, at 0.2 to 0.8 seconds.
    lower = bounds[0](min(group.min_raw for group in filled))
    upper = bounds[1](max(group.max_raw for group in filled))
    if lower is not None and upper is not None:
        _put(stats["minValues"], keys, lower)
        _put(stats["maxValues"], keys, upper)


def _put(tree: dict[str, Any], keys: tuple[str, ...], value: object) -> None:
    for key in keys[:-1]:
        tree = tree.setdefault(key, {})
    tree[keys[-1]] = value


def lower_text(raw: bytes | str) -> str:
    """At most 32 characters, not above the text."""
    return _text(raw)[:_PREFIX]


def upper_text(raw: bytes | str) -> str | None:
    """A short text that is not below this one; None where there is no such text."""
    text = _text(raw)
    if len(text) <= _PREFIX:
        return text
    return None if text[_PREFIX] == _HIGHEST else text[:_PREFIX] + _HIGHEST


def _text(raw: bytes | str) -> str:
    return raw if isinstance(raw, str) else raw.decode()


def lower_time(micros: int) -> str:
    """The millisecond at or before a time."""
    return _time(micros // 1000)


def upper_time(micros: int) -> str | None:
    """The millisecond at or after a time; None behind the year 9999."""
    try:
        return _time(-(-micros // 1000))
    except OverflowError:
        return None


def _time(millis: int) -> str:
    moment = _EPOCH + timedelta(milliseconds=millis)
    return f"{moment.isoformat(timespec='milliseconds')}Z"


def _day(days: int) -> str:
    return date.fromordinal(_EPOCH.toordinal() + days).isoformat()


def _same(value: Any) -> Any:
    return value


_BOUNDS: Mapping[pa.DataType, tuple[Bound, Bound]] = MappingProxyType(
    {
        pa.int32(): (_same, _same),
        pa.int64(): (_same, _same),
        pa.float32(): (_same, _same),
        pa.float64(): (_same, _same),
        pa.string(): (lower_text, upper_text),
        pa.date32(): (_day, _day),
        pa.timestamp("us", tz="UTC"): (lower_time, upper_time),
    }
)
