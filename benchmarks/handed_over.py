"""Rows that were decoded beforehand: with them a pipeline does all its work but the decoding.

The pipeline reads the real files, and cuts them into blocks of whole lines as always. What stands
behind the decoder's port looks a block up by its place and its ends, and hands over its rows as they
lie in an Arrow IPC file, mapped into memory.
"""

import json
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from pathlib import Path

import pyarrow as pa
from isal import igzip

from benchmarks.data import DataSet
from benchmarks.schema import SCHEMAS
from penstock.ingest import Chunk, Decoded, Decoder, DecoderOptions
from penstock.ingest._compiled_decoder import CompiledDecoder

BLOCK_BYTES = 2 * 1024 * 1024
"""How the pipeline cuts; a block that was cut otherwise is not found, and the run fails."""

_END_BYTES = 256
_INDEX = "index.json"


def rows_of(data: DataSet) -> Path:
    """The data set's rows beside it: one Arrow IPC file per source file, and an index of the blocks."""
    source = data.files[0].parent
    # Not in it: the index would be one more source file, with a dead letter at each run.
    folder = source.with_name(f"{source.name}.rows")
    if not (folder / _INDEX).exists():
        folder.mkdir(exist_ok=True)
        index = {}
        for file in data.files:
            target = folder / file.name.replace(".ndjson.gz", ".arrow")
            keys = _decode(file, target, SCHEMAS[data.name])
            index.update({key: (target.name, place) for place, key in enumerate(keys)})
        (folder / _INDEX).write_text(json.dumps(index), encoding="utf-8")
    return folder


class HandedOver(Decoder):
    """Knows the rows of every block of a data set."""

    def __init__(self, folder: Path, schema: pa.Schema, _: DecoderOptions) -> None:
        self._folder = folder
        self._schema = schema
        index = json.loads((folder / _INDEX).read_text(encoding="utf-8"))
        self._index: Mapping[str, tuple[str, int]] = {key: tuple(at) for key, at in index.items()}

    @property
    def schema(self) -> pa.Schema:
        """See `Decoder`."""
        return self._schema

    def decode(self, chunk: Chunk) -> Decoded:
        """See `Decoder`; a block that was not cut like this before is a KeyError."""
        name, place = self._index[_key(memoryview(chunk.data), chunk.offset)]
        # Opened for each block, so that what the pipeline lets go of leaves the memory again.
        with pa.memory_map(str(self._folder / name)) as mapped:
            batch = pa.ipc.open_file(mapped).get_batch(place)
        return Decoded(batch, (), batch.num_rows, 0, len(chunk.data))


def _decode(source: Path, target: Path, schema: pa.Schema) -> Iterator[str]:
    decoder = CompiledDecoder(schema)
    with pa.ipc.new_file(target, schema) as writer:
        line = 1
        lines = igzip.decompress(source.read_bytes())  # type: ignore[no-untyped-call]  # isal has no types here
        for offset, block in _blocks(lines):
            decoded = decoder.decode(Chunk(block, line, offset))
            line += decoded.lines
            writer.write_batch(decoded.batch)
            yield _key(block, offset)


def _blocks(lines: bytes) -> Iterator[tuple[int, memoryview]]:
    at = 0
    while at < len(lines):
        end = at + BLOCK_BYTES
        end = len(lines) if end > len(lines) else lines.rindex(b"\n", at, end) + 1
        yield at, memoryview(lines)[at:end]
        at = end


def _key(block: memoryview, offset: int) -> str:
    ends = bytes(block[:_END_BYTES]) + bytes(block[-_END_BYTES:])
    return f"{blake2b(ends, digest_size=16).hexdigest()}-{offset}-{len(block)}"
