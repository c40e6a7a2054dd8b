"""pyarrow.json: each file read in blocks by its own reader, two files at a time."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.json as pj
import pyarrow.parquet as pq

from benchmarks.peers.arguments import arguments

_BLOCK = 1 << 22


def convert(schema: pa.Schema, source: Path, target: Path) -> None:
    """One file to one file."""
    reading = pj.ReadOptions(use_threads=False, block_size=_BLOCK)
    parsing = pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")
    with (
        pa.input_stream(source, compression="gzip") as stream,
        pj.open_json(stream, reading, parsing) as batches,
        pq.ParquetWriter(target, schema, compression="zstd", compression_level=1) as writer,
    ):
        for batch in batches:
            writer.write_batch(batch)


if __name__ == "__main__":
    columns, output, files = arguments()
    with ThreadPoolExecutor(2) as pool:
        targets = [output / f"{file.name.partition('.')[0]}.parquet" for file in files]
        list(pool.map(convert, [columns] * len(files), files, targets))
