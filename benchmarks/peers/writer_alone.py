"""The other half of the floor: rows that are in Arrow already, written by pyarrow alone, encoded as Penstock does."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.peers.arguments import arguments

_GROUP_ROWS = 122_880


def write(source: Path, target: Path) -> None:
    """One Arrow IPC file, mapped into memory, to one Parquet file."""
    with pa.memory_map(str(source)) as mapped:
        rows = pa.ipc.open_file(mapped).read_all()
        pq.write_table(
            rows,
            target,
            compression="zstd",
            compression_level=1,
            use_dictionary=[path for field in rows.schema for path in texts(field, field.name)],
            row_group_size=_GROUP_ROWS,
        )


def texts(field: pa.Field, path: str) -> Iterator[str]:
    """The Parquet paths of all texts: those to which Penstock gives a dictionary by default."""
    if pa.types.is_list(field.type):
        yield from texts(field.type.value_field, f"{path}.list.element")
    elif pa.types.is_struct(field.type):
        for member in field.type:
            yield from texts(member, f"{path}.{member.name}")
    elif pa.types.is_string(field.type):
        yield path


if __name__ == "__main__":
    _, output, files = arguments()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, files, [output / f"{file.stem}.parquet" for file in files]))
