"""Which column of a Parquet file is written how; decided once per file, by its rows and settings alone."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from penstock.base import Value
from penstock.ingest._plan import DictionaryUse, IntegerEncoding
from penstock.ingest._schema_config import TYPE_KEY

_MAX_DISTINCT_SHARE = 0.1
_PART = 7


class Encodings(Value):
    """What pyarrow's writer is told; a column in neither is written plainly."""

    dictionary: list[str]
    """Parquet paths of the columns with a dictionary."""

    other: dict[str, str]
    """Parquet paths of further columns, and the names of their encodings."""

    long_pages: bool
    """Whether all columns repeat themselves: their pages are small, however many rows they have."""


class _Leaf(Value):
    """A column as Parquet has it: the members of structs and the items of lists are columns of their own."""

    path: str
    field: pa.Field
    values: pa.ChunkedArray


def encodings(first: pa.Table, dictionary: DictionaryUse, integers: IntegerEncoding) -> Encodings:
    """Choose the encodings of a file whose first row group has the rows of `first`.

    Two columns may share a path, as those of a struct `a` with the member `b` and of a field `a.b`
    do; then they share a dictionary, and are delta encoded only if both can be.
    """
    rows = first if dictionary is DictionaryUse.SAMPLED else first.slice(0, 0)
    leaves = [
        leaf
        for field, values in zip(rows.schema, rows.columns, strict=True)
        for leaf in _leaves(field, values, field.name)
    ]
    chosen = {leaf.path: None for leaf in leaves if _gains(leaf, dictionary)}
    plain = [leaf for leaf in leaves if leaf.path not in chosen]
    repeating = dictionary is DictionaryUse.SAMPLED and all(map(_is_boolean, plain))
    if integers is IntegerEncoding.PLAIN:
        return Encodings(list(chosen), {}, repeating)
    unfit = {leaf.path for leaf in leaves if not _integral(leaf.field.type)}
    other = [leaf.path for leaf in plain if leaf.path not in unfit]
    return Encodings(list(chosen), dict.fromkeys(other, "DELTA_BINARY_PACKED"), repeating)


def _leaves(field: pa.Field, values: pa.ChunkedArray, path: str) -> Iterator[_Leaf]:
    if pa.types.is_list(field.type):
        items = [chunk.flatten() for chunk in values.chunks]
        column = pa.chunked_array(items, field.type.value_type)
        yield from _leaves(field.type.value_field, column, f"{path}.list.element")
    elif pa.types.is_struct(field.type):
        for index, column in enumerate(values.flatten()):
            member = field.type.field(index)
            yield from _leaves(member, column, f"{path}.{member.name}")
    else:
        yield _Leaf(path, field, values)


def _gains(leaf: _Leaf, use: DictionaryUse) -> bool:
    """Whether the column gets a dictionary."""
    if use is DictionaryUse.NONE or _is_boolean(leaf):
        return False
    if use is DictionaryUse.STRINGS:
        json = TYPE_KEY in (leaf.field.metadata or {})
        return not json and bool(pa.types.is_string(leaf.field.type))
    return use is DictionaryUse.ALL or _repeats(leaf.values)


def _is_boolean(leaf: _Leaf) -> bool:
    return bool(pa.types.is_boolean(leaf.field.type))


def _repeats(values: pa.ChunkedArray) -> bool:
    """Whether at most a tenth of the values that are not null are distinct; never, where there is none."""
    some = values.slice(0, len(values) // _PART)
    distinct = _distinct(some)
    if 0 < distinct <= _most_distinct(some):
        return True  # with more rows the share falls, or stays where they are sorted
    # Ids show themselves in a part of the rows: more distinct values there are too many for all.
    return distinct <= _most_distinct(values) and 0 < _distinct(values) <= _most_distinct(values)


def _most_distinct(values: pa.ChunkedArray) -> float:
    present: int = len(values) - values.null_count
    return present * _MAX_DISTINCT_SHARE


def _distinct(values: pa.ChunkedArray) -> int:
    return int(pc.count_distinct(values).as_py())


def _integral(type_: pa.DataType) -> bool:
    """Whether Parquet holds the type as an integer of 32 or 64 bits."""
    kinds = (pa.types.is_integer, pa.types.is_date, pa.types.is_timestamp)
    return any(kind(type_) for kind in kinds)
