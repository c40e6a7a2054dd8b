"""The fastest stack of parts: isal, arro3's JSON reader, pyarrow's writer. No checks, no table, no resume."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import arro3.io
import pyarrow as pa
import pyarrow.parquet as pq
from isal import igzip

from benchmarks.peers.arguments import arguments

_CHUNK = 2 << 20
_BATCH_ROWS = 2048
_GROUP_ROWS = 122_880


def convert(schema: pa.Schema, source: Path, target: Path) -> None:
    """One file to one file."""
    waiting: list[pa.RecordBatch] = []
    rows = 0
    with pq.ParquetWriter(target, schema, compression="zstd", compression_level=1) as writer:
        for chunk in chunks(source):
            for batch in decoded(schema, chunk):
                waiting.append(batch)
                rows += batch.num_rows
            if rows >= _GROUP_ROWS:
                writer.write_table(pa.Table.from_batches(waiting, schema))
                waiting, rows = [], 0
        if waiting:
            writer.write_table(pa.Table.from_batches(waiting, schema))


def chunks(source: Path) -> Iterator[bytes]:
    """The decompressed file in pieces of whole lines."""
    rest = b""
    with igzip.open(source) as stream:  # type: ignore[no-untyped-call]  # isal has no types here
        while block := stream.read(_CHUNK):
            end = block.rfind(b"\n") + 1
            if end:
                yield rest + block[:end]
                rest = block[end:]
            else:
                rest += block
    if rest:
        yield rest


def decoded(schema: pa.Schema, chunk: bytes) -> Iterator[pa.RecordBatch]:
    """arro3 reads by name only, so the bytes are handed over in a file without a disk."""
    memory = os.memfd_create("chunk")
    try:
        os.write(memory, chunk)
        reader = arro3.io.read_json(f"/proc/self/fd/{memory}", schema, batch_size=_BATCH_ROWS)
        yield from pa.RecordBatchReader.from_stream(reader)
    finally:
        os.close(memory)


if __name__ == "__main__":
    columns, output, files = arguments()
    pa.set_cpu_count(1)
    with ThreadPoolExecutor(2) as pool:
        targets = [output / f"{file.name.partition('.')[0]}.parquet" for file in files]
        list(pool.map(convert, [columns] * len(files), files, targets))
