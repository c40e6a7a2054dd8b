"""What every peer is called with: the data set's name, the folder to write to, the files."""

import sys
from pathlib import Path

import pyarrow as pa

from benchmarks.schema import SCHEMAS


def arguments() -> tuple[pa.Schema, Path, list[Path]]:
    """The columns, the folder for the output, the files to read."""
    name, output, *files = sys.argv[1:]
    return SCHEMAS[name], Path(output), [Path(file) for file in files]
