"""`penstock files`."""

import os
from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import asdict

from penstock.cli._exits import DONE
from penstock.cli._output import Output
from penstock.cli._printing import print_json, print_table
from penstock.ingest import Inspector, validate

_COLUMNS = ("pipeline", "source", "name", "state", "size", "rows", "dead_lines", "error", "plan")


def command(*, configs: Sequence[Path], output: Output) -> int:
    """Print the state of every file."""
    rows = [asdict(row) for row in Inspector(validate(configs, environ=os.environ)).files()]
    if output is Output.JSON:
        print_json(rows)
    else:
        print_table(rows, _COLUMNS, empty="there is no file, and none was ever taken")
    return DONE
