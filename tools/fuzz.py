"""All that can be asked of a build of the compiled decoder: conformance, fuzz, failing allocations.

Usage: python -m tools.fuzz [--variant plain] [--first-seed 0] [--lines 100000]
"""

import argparse
import ctypes
import sys
from collections.abc import Iterator
from itertools import count
from typing import Any

import pyarrow as pa

from penstock.ingest import (
    Chunk,
    Decoded,
    Decoder,
    DecoderOptions,
)
from penstock.ingest._compiled_decoder import CompiledDecoder
from penstock.ingest._reference_decoder import ReferenceDecoder
from penstock.testing import DecoderConformance, GeneratedLines, generate_damaged
from tools.native import build, library, load

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
        wanted = ReferenceDecoder(case.schema, case.options).decode(chunk)
        decoder = CompiledDecoder(case.schema, case.options, native=native)
        found = decoder.decode(_without_slack(chunk))
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
        (one.lines, one.unknown_fields, one.size, len(one.rejected), one.batch.num_rows)
        for one in (wanted, found)
    ]
    if counts[0] != counts[1]:
        yield f"expected lines, unknown fields, bytes, rejections, rows {counts[0]}, got {counts[1]}"
    elif not _identical(wanted.batch, found.batch):
        yield f"expected the rows {wanted.batch.to_pylist()}, got {found.batch.to_pylist()}"


def _identical(wanted: pa.RecordBatch, found: pa.RecordBatch) -> bool:
    """Equal, and with equal signs of zeros."""
    pairs = zip(wanted.columns, found.columns, strict=True)
    return bool(wanted.equals(found)) and all(_bits(one).equals(_bits(two)) for one, two in pairs)


def _bits(column: pa.Array) -> pa.Array:
    integers = {pa.float64(): pa.int64(), pa.float32(): pa.int32()}
    return column.view(integers[column.type]) if column.type in integers else column


def failing_allocations(variant: str, seed: int) -> int:
    """Let each allocation of a decoder's life fail once; returns how many there were.

    Args:
        variant: A build with `PENSTOCK_FAULTS`.
        seed: Of the lines that are decoded.

    Raises:
        AssertionError: A failure was not reported or lost memory, or the same decoder then decoded
            otherwise.
    """
    path = library(variant)
    module, switch = load(path), ctypes.CDLL(str(path))
    switch.penstock_allocations_left.restype = ctypes.c_long
    switch.penstock_allocated_blocks.restype = ctypes.c_long
    case = generate_damaged(seed, ROWS)
    wanted = ReferenceDecoder(case.schema, case.options).decode(case.chunk())
    blocks = switch.penstock_allocated_blocks()
    for nth in count(1):
        decoder = None
        if switch.penstock_allocated_blocks() != blocks:
            raise AssertionError(f"allocation {nth - 1} failed and memory was lost")
        switch.penstock_fail_allocation(nth)
        try:
            decoder = CompiledDecoder(case.schema, case.options, native=module)
            decoder.decode(case.chunk())
        except MemoryError:
            switch.penstock_fail_allocation(0)
            if decoder is not None and list(_unequal(case, wanted, decoder.decode(case.chunk()))):
                raise AssertionError(f"allocation {nth} failed and left a trace") from None
        else:
            if switch.penstock_allocations_left() == 0:
                raise AssertionError(f"allocation {nth} failed and nobody was told")
            switch.penstock_fail_allocation(0)
            return nth - 1
    raise AssertionError("allocations never end")


def conform(native: Any) -> None:
    """Run the conformance suite on a build, outside of any test framework."""

    class Suite(DecoderConformance):
        def make_decoder(self, schema: pa.Schema, options: DecoderOptions) -> Decoder:
            return CompiledDecoder(schema, options, native=native)

    suite = Suite()
    for name in dir(suite):
        if name.startswith("test_"):
            getattr(suite, name)()


def main() -> int:
    """Print the differences; 1 if there is one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--variant", default="vector")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--lines", type=int, default=100_000)
    options = parser.parse_args()
    native = build(options.variant)
    conform(native)
    if options.variant.startswith("sanitized"):
        for seed in (0, 3, 7):
            print(f"{failing_allocations(options.variant, seed)} allocations failed one by one")
    found = 0
    for text in differences(native, options.first_seed, options.lines):
        print(text)
        found += 1
    print(f"{options.lines:,} lines, {found} differences ({options.variant})")
    return min(found, 1)


if __name__ == "__main__":
    sys.exit(main())
