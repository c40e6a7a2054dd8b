"""The other half of the floor: rows that are in Arrow already, written by pyarrow alone."""

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
            rows, target, compression="zstd", compression_level=1, row_group_size=_GROUP_ROWS
        )


if __name__ == "__main__":
    _, output, files = arguments()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, files, [output / f"{file.stem}.parquet" for file in files]))
