"""`penstock validate`."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from msgspec.structs import asdict

from penstock.base import ConfigError
from penstock.cli._exits import DONE, USAGE
from penstock.cli._output import Output
from penstock.cli._printing import print_json, print_table
from penstock.ingest import IngestConfig, validate


def command(*, configs: Sequence[Path], output: Output) -> int:
    """Print the pipelines, or all that is wrong."""
    try:
        config = validate(configs, environ=os.environ)
    except ConfigError as error:
        if output is not Output.JSON:
            raise
        problems = [asdict(problem) for problem in sorted(error.problems)]
        print_json({"valid": False, "problems": problems})
        return USAGE
    rows = _rows(config)
    if output is Output.JSON:
        print_json({"valid": True, "pipelines": rows})
        return DONE
    print_table(rows, ("pipeline", "sources", "columns", "table"), empty="")
    sys.stdout.write(f"{len(rows)} {'pipeline is' if len(rows) == 1 else 'pipelines are'} valid\n")
    return DONE


def _rows(config: IngestConfig) -> list[dict[str, object]]:
    return [
        {
            "pipeline": key,
            "sources": ", ".join(source.path for source in pipeline.sources.values()),
            "columns": len(pipeline.schema_.to_arrow()),
            "table": pipeline.sink.table_uri,
        }
        for key, pipeline in config.pipelines.items()
    ]
