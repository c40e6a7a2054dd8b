"""The other half of the floor: rows that are in Arrow already, written by pyarrow alone, encoded as Penstock does."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.peers.arguments import arguments

_GROUP_ROWS = 122_880
_MAX_DISTINCT_SHARE = 0.1


def write(source: Path, target: Path, dictionaries: list[str]) -> None:
    """One Arrow IPC file, mapped into memory, to one Parquet file; with long pages where all columns repeat themselves."""
    with pa.memory_map(str(source)) as mapped:
        rows = pa.ipc.open_file(mapped).read_all()
        pq.write_table(
            rows,
            target,
            compression="zstd",
            compression_level=1,
            use_dictionary=dictionaries,
            row_group_size=_GROUP_ROWS,
            max_rows_per_page=_GROUP_ROWS if dictionaries == rows.column_names else None,
        )


def chosen(source: Path) -> list[str]:
    """The columns that get a dictionary, by the rows of one file: looked for once, which costs next to nothing."""
    with pa.memory_map(str(source)) as mapped:
        rows = pa.ipc.open_file(mapped).read_all().slice(0, _GROUP_ROWS)
        return [
            path
            for field, values in zip(rows.schema, rows.columns, strict=True)
            for path in repeating(field, values, field.name)
        ]


def repeating(field: pa.Field, values: pa.ChunkedArray, path: str) -> Iterator[str]:
    """The Parquet paths of what repeats itself: the columns to which Penstock gives a dictionary by default."""
    if pa.types.is_list(field.type):
        items = field.type.value_field
        yield from repeating(items, pc.list_flatten(values), f"{path}.list.element")
    elif pa.types.is_struct(field.type):
        for member, column in zip(field.type, values.flatten(), strict=True):
            yield from repeating(member, column, f"{path}.{member.name}")
    elif not pa.types.is_boolean(field.type):
        filled = len(values) - values.null_count
        if 0 < pc.count_distinct(values).as_py() <= filled * _MAX_DISTINCT_SHARE:
            yield path


if __name__ == "__main__":
    _, output, files = arguments()
    columns = chosen(files[0])
    targets = [output / f"{file.stem}.parquet" for file in files]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, files, targets, [columns] * len(files)))
