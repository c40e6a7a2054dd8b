"""Differential fuzzing of the decoders: the compiled one against its executable specification.

Usage: python -m tools.fuzz [--variant plain] [--first-seed 0] [--lines 100000]
"""

import argparse
import ctypes
import sys
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from penstock.ingest import Chunk, CompiledDecoder, Decoded, ReferenceDecoder
from penstock.testing import GeneratedLines, generate_damaged
from tools.native import build

ROWS = 100
"""Lines per generated schema."""


def differences(native: Any, first_seed: int, lines: int) -> Iterator[str]:
    """How the build differs from the reference on that many damaged lines; nothing if it agrees.

    Args:
        native: A build of the extension module.
        first_seed: Where the seeds start; equal seeds give equal lines.
        lines: How many, rounded up to whole schemas.
    """
    for seed in range(first_seed, first_seed - -lines // ROWS):
        case = generate_damaged(seed, ROWS)
        chunk = case.chunk()
        wanted = ReferenceDecoder(case.schema).decode(chunk)
        found = CompiledDecoder(case.schema, native=native).decode(_without_slack(chunk))
        yield from (f"seed {seed}: {text}" for text in _unequal(case, wanted, found))


def _without_slack(chunk: Chunk) -> Chunk:
    """The same bytes with none behind them, so that a sanitizer sees a step beyond."""
    data = (ctypes.c_char * len(chunk.data)).from_buffer_copy(chunk.data)
    return Chunk(memoryview(data).cast("B"), chunk.first_line, chunk.offset)


def _unequal(case: GeneratedLines, wanted: Decoded, found: Decoded) -> Iterator[str]:
    found.batch.validate(full=True)
    for theirs, ours in zip(wanted.rejected, found.rejected, strict=False):
        if theirs != ours:
            line = case.lines[theirs.line - 1]
            yield f"expected {theirs}, got {ours} for {line!r}"
            return
    counts = [
        (one.lines, one.unknown_fields, len(one.rejected), one.batch.num_rows)
        for one in (wanted, found)
    ]
    if counts[0] != counts[1]:
        yield f"expected lines, unknown fields, rejections, rows {counts[0]}, got {counts[1]}"
    elif not _identical(wanted.batch, found.batch):
        yield f"expected the rows {wanted.batch.to_pylist()}, got {found.batch.to_pylist()}"


def _identical(wanted: pa.RecordBatch, found: pa.RecordBatch) -> bool:
    """Equal, and with equal signs of zeros."""
    pairs = zip(wanted.columns, found.columns, strict=True)
    return bool(wanted.equals(found)) and all(_bits(one).equals(_bits(two)) for one, two in pairs)


def _bits(column: pa.Array) -> pa.Array:
    integers = {pa.float64(): pa.int64(), pa.float32(): pa.int32()}
    return column.view(integers[column.type]) if column.type in integers else column


def main() -> int:
    """Print the differences; 1 if there is one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--variant", default="vector")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--lines", type=int, default=100_000)
    options = parser.parse_args()
    found = 0
    for text in differences(build(options.variant), options.first_seed, options.lines):
        print(text)
        found += 1
    print(f"{options.lines:,} lines, {found} differences ({options.variant})")
    return min(found, 1)


if __name__ == "__main__":
    sys.exit(main())
