"""Which column of a Parquet file is written how; decided once per file, by its rows and settings alone."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from penstock.base import Value
from penstock.ingest._plan import DictionaryUse, IntegerEncoding
from penstock.ingest._schema_config import TYPE_KEY

_MAX_SHARE = 0.1
_PARTS = (27, 9, 3, 1)
"""Of the rows, one in so many is looked at, then three times as many, while that leaves a doubt."""
_NO_LIMIT = 2**31 - 1


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
        items = [_items(chunk) for chunk in values.chunks]
        column = pa.chunked_array(items, field.type.value_type)
        yield from _leaves(field.type.value_field, column, f"{path}.list.element")
    elif pa.types.is_struct(field.type):
        for index, column in enumerate(values.flatten()):
            member = field.type.field(index)
            yield from _leaves(member, column, f"{path}.{member.name}")
    else:
        yield _Leaf(path, field, values)


def _items(lists: pa.ListArray) -> pa.Array:
    """Those of all lists, one after the other; `lists.flatten()` would load `pyarrow.compute`."""
    start, end = lists.offsets[0].as_py(), lists.offsets[-1].as_py()
    return lists.values.slice(start, end - start)


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
    """Whether the dictionary takes at most a tenth of the bytes of the values that are not null."""
    for part in _PARTS:
        some = values.slice(0, -(-len(values) // part))
        if not _present(some):
            continue
        share = _dictionary_bytes(some) / _plain_bytes(some)
        if share <= _MAX_SHARE:
            return True  # with more rows the share falls, or stays where they are sorted
        # Ids show themselves in a part of the rows: what takes more room there takes too much for all.
        if share * _present(some) > _MAX_SHARE * _present(values):
            return False
    return False


def _present(values: pa.ChunkedArray) -> int:
    return len(values) - int(values.null_count)


def _plain_bytes(values: pa.ChunkedArray) -> int:
    """What Parquet makes of the values without a dictionary, before they are compressed: nulls take no room."""
    texts = pa.types.is_string(values.type) or pa.types.is_binary(values.type)
    width = 4 if texts else values.type.bit_width // 8
    return int(values.nbytes) - width * int(values.null_count)


def _dictionary_bytes(values: pa.ChunkedArray) -> int:
    """What the Parquet writer makes of a file with nothing but the values, of which nothing is kept.

    It takes about as long as counting the distinct ones with `pyarrow.compute`, which takes longer
    to load than all that is sampled in most runs.
    """
    files: list[pq.FileMetaData] = []
    pq.write_table(
        pa.table([values], ["values"]),
        pa.MockOutputStream(),
        row_group_size=len(values),
        use_dictionary=True,
        dictionary_pagesize_limit=_NO_LIMIT,
        compression="none",
        write_statistics=False,
        store_schema=False,
        metadata_collector=files,
    )
    column = files[0].row_group(0).column(0)
    return int(column.data_page_offset - column.dictionary_page_offset)


def _integral(type_: pa.DataType) -> bool:
    """Whether Parquet holds the type as an integer of 32 or 64 bits."""
    kinds = (pa.types.is_integer, pa.types.is_date, pa.types.is_timestamp)
    return any(kind(type_) for kind in kinds)
