"""From Python values to Arrow arrays, nested ones included."""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import pyarrow as pa


def to_array(values: Sequence[Any], field: pa.Field) -> pa.Array:
    """The column that holds `values`.

    Args:
        values: None for null; a struct is a tuple in the order of its members, a list a list, a
            timestamp microseconds and a date days since 1970.
        field: The column. Below a null struct a member that is not nullable holds a filler, as
            Arrow and Parquet refuse a null there.
    """
    if pa.types.is_struct(field.type):
        return _struct(values, field.type)
    if pa.types.is_list(field.type):
        return _list(values, field.type)
    return pa.array(values, field.type)


def _struct(values: Sequence[Any], type_: pa.StructType) -> pa.Array:
    members = [type_.field(index) for index in range(type_.num_fields)]
    arrays = []
    for index, member in enumerate(members):
        filler = None if member.nullable else filler_of(member.type)
        column = [filler if value is None else value[index] for value in values]
        arrays.append(to_array(column, member))
    return pa.StructArray.from_arrays(arrays, fields=members, mask=_nulls(values))


def _list(values: Sequence[Any], type_: pa.ListType) -> pa.Array:
    offsets = [0, *accumulate(len(value or ()) for value in values)]
    items = [item for value in values for item in value or ()]
    return pa.ListArray.from_arrays(
        pa.array(offsets, pa.int32()),
        to_array(items, type_.value_field),
        type=type_,
        mask=_nulls(values),
    )


def _nulls(values: Sequence[Any]) -> pa.Array | None:
    if all(value is not None for value in values):
        return None
    return pa.array([value is None for value in values], pa.bool_())


def filler_of(type_: pa.DataType) -> Any:
    """A value of the type, for a place that no reader may look at."""
    if pa.types.is_struct(type_):
        members = [type_.field(index) for index in range(type_.num_fields)]
        return tuple(None if member.nullable else filler_of(member.type) for member in members)
    if pa.types.is_list(type_):
        return []
    if pa.types.is_string(type_):
        return ""
    if pa.types.is_boolean(type_):
        return False
    return b"" if pa.types.is_binary(type_) else 0
