"""`penstock run`."""

import asyncio
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from msgspec.structs import asdict

from penstock.base import ConfigError, Failpoints, Problem
from penstock.cli._exits import DONE
from penstock.cli._output import LogFormat, LogLevel, Output
from penstock.cli._printing import print_json, print_table
from penstock.ingest import (
    IngestConfig,
    IngestReport,
    Inspector,
    PipelineReport,
    RunSettings,
    run_ingest,
    validate,
)
from penstock.telemetry import setup_logs


def command(
    *,
    configs: Sequence[Path],
    once: bool,
    dry_run: bool,
    log_level: LogLevel | None,
    log_format: LogFormat | None,
    metrics_address: str | None,
    output: Output,
) -> int:
    """Ingest, and print what was done."""
    points = failpoints()
    config = validate(configs, environ=os.environ)
    if dry_run:
        return _print_plans(config, output)
    settings = RunSettings(
        once=once,
        whole_process=True,
        metrics_address=metrics_address,
        progress=sys.stderr if output is Output.TABLE else None,
        failpoints=points,
        reload=None if once else partial(validate, configs, environ=os.environ),
    )
    as_json = None if log_format is None else log_format is LogFormat.JSON
    with setup_logs(level=log_level or _usual_level(settings), json=as_json):
        report = asyncio.run(run_ingest(config, settings))
    print_report(report, output)
    return report.exit_code


def _usual_level(settings: RunSettings) -> LogLevel:
    """What a live view shows anyway needs no lines above it."""
    live = settings.progress is not None and settings.progress.isatty()
    return LogLevel.WARNING if live else LogLevel.INFO


def print_report(report: IngestReport, output: Output) -> None:
    """One row per pipeline, and why it ended where that is not as it should."""
    rows = [_row(found) for found in report.pipelines]
    if output is Output.JSON:
        print_json({"exit_code": report.exit_code, "pipelines": rows})
        return
    columns = (
        "pipeline", "ended", "files", "records", "parquet_files", "bytes", "dead_lines", "dead_files",
    )  # fmt: skip
    shown = [
        {
            key.removesuffix("_processed").removesuffix("_written"): value
            for key, value in row.items()
        }
        for row in rows
    ]
    print_table(shown, columns, empty="there was nothing to do")
    with suppress(BrokenPipeError):
        for found in report.pipelines:
            if found.ended != "completed":
                sys.stderr.write(f"penstock: {found.pipeline}: {found.message}\n")


def _row(found: PipelineReport) -> dict[str, object]:
    failures = found.figures.failures
    return {
        "pipeline": found.pipeline,
        "ended": found.ended,
        "message": found.message,
        **asdict(found.figures),
        "dead_lines": failures.get("decode", 0),
        "dead_files": failures.get("read", 0),
    }


def _print_plans(config: IngestConfig, output: Output) -> int:
    files = [asdict(file) for file in Inspector(config).plans_ahead()]
    if output is Output.JSON:
        print_json(files)
    else:
        columns = ("pipeline", "plan", "source", "name", "size")
        print_table(files, columns, empty="no file is pending: nothing would be planned")
    return DONE


def failpoints() -> Failpoints:
    """What the environment arms, for tests that kill; nothing below this reads it."""
    text = os.environ.get("PENSTOCK_FAILPOINTS", "")
    try:
        return Failpoints.parse(text)
    except ValueError as error:
        problem = Problem("<environment>", 0, "PENSTOCK_FAILPOINTS", str(error))
        raise ConfigError((problem,)) from error
