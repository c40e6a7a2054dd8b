"""Ingestion as a whole: from a configuration to a report."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TextIO

import pyarrow as pa

from penstock.base import Clock, Failpoints
from penstock.ingest._compiled_decoder import open_decoder
from penstock.ingest._config import PipelineConfig
from penstock.ingest._decoder import Decoder, DecoderOptions
from penstock.ingest._figures import Figures
from penstock.ingest._load import IngestConfig
from penstock.ingest._pipeline import IngestOptions, IngestPipeline
from penstock.ingest._plan import FileVersion
from penstock.storage import StoragePool
from penstock.telemetry import Progress, ProgressRow, get_logger, plain_line
from penstock.topology import (
    FailurePolicy,
    PipelineContext,
    Stats,
    Supervision,
    TaskOutput,
    make_context,
    run_pipelines,
)

_SWITCH_INTERVAL_S = 0.0005
"""One busy Python thread costs the decoding beside it 6.5 times its speed at the default of 5 ms."""

_log = get_logger("ingest")


@dataclass(frozen=True, slots=True)
class PipelineReport:
    """What one pipeline did, and how it ended."""

    pipeline: str
    ended: str
    """`completed`, `cancelled` or `failed`."""
    message: str
    """One line for people."""
    figures: Figures


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What a run did."""

    pipelines: tuple[PipelineReport, ...]
    """In the order of the configuration."""

    exit_code: int
    """0 where all is done, or a follower was stopped and drained; else as the command line exits."""


@dataclass(frozen=True)
class RunSettings:
    """How a configuration is run."""

    once: bool = False
    """End when all that is there has been settled."""

    replay: Mapping[str, tuple[FileVersion, ...]] | None = None
    """Dead-letter files to put through, by pipeline, instead of looking at the sources."""

    metrics_address: str | None = None
    """Instead of the configured one."""

    progress: TextIO | None = None
    """Where to show how far it is: redrawn in place on a terminal; elsewhere it goes to the log."""

    whole_process: bool = False
    """The process does nothing else: how its threads take turns may be set for this work."""

    open_decoder: Callable[[pa.Schema, DecoderOptions], Decoder] = open_decoder
    """Makes what reads the lines of a pipeline, for the columns of its table."""

    failpoints: Failpoints = field(default_factory=Failpoints)
    """Crossed at the points of the protocol."""

    clock: Clock | None = None
    """The machine's, unless a test says otherwise."""


async def run_ingest(config: IngestConfig, settings: RunSettings) -> IngestReport:
    """Run all pipelines to their ends. A pipeline that fails is part of the report, never raised.

    SIGINT, SIGTERM or SIGQUIT lets the plans in hand finish, a second one cancels; in the main
    thread only.

    Raises:
        AddressError: The address of the metrics cannot be listened on; nothing was started.
    """
    if settings.whole_process:
        sys.setswitchinterval(_SWITCH_INTERVAL_S)
    pool = StoragePool(connection_pooling=config.shared.connection_pooling)
    context = make_context(config.shared, clock=settings.clock, storage_pool=pool)
    pipelines = [
        IngestPipeline(key, pipeline, context, _options(key, config, settings))
        for key, pipeline in _chosen(config, settings).items()
    ]
    ends = settings.once or settings.replay is not None
    async with _shown(pipelines, context, settings.progress):
        stats = await run_pipelines(
            settings.metrics_address or (config.metrics.address if config.metrics else None),
            config.shared,
            "ingest",
            lambda _: pipelines,
            supervision=_supervision(config.shared.supervision, ends=ends),
            context=context,
        )
    return IngestReport(_reports(pipelines, stats), _exit_code(pipelines, stats, ends=ends))


def _supervision(configured: Supervision, *, ends: bool) -> Supervision:
    """Work with an end is not begun anew: whoever asked for it hears at once that it failed."""
    if not ends or configured.on_failure is not FailurePolicy.RESTART:
        return configured
    return configured.model_copy(update={"on_failure": FailurePolicy.ISOLATE})


def _chosen(config: IngestConfig, settings: RunSettings) -> Mapping[str, PipelineConfig]:
    if settings.replay is None:
        return config.pipelines
    return {key: config.pipelines[key] for key in settings.replay}


def _options(key: str, config: IngestConfig, settings: RunSettings) -> IngestOptions:
    return IngestOptions(
        state_dir=config.state_dir,
        once=settings.once,
        replay=(settings.replay or {}).get(key, ()),
        open_decoder=settings.open_decoder,
        failpoints=settings.failpoints,
    )


@asynccontextmanager
async def _shown(
    pipelines: Sequence[IngestPipeline], context: PipelineContext, stream: TextIO | None
) -> AsyncIterator[None]:
    """Show the progress while the block lasts."""
    if stream is None:
        yield
        return
    view = Progress(
        lambda: [row for pipeline in pipelines for row in pipeline.progress()],
        clock=context.clock,
        stream=stream,
        write=_log_progress,
    )
    task = asyncio.create_task(view.run(), name="ingest/progress")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def _log_progress(row: ProgressRow) -> None:
    _log.info("progress", so_far=plain_line(row))


def _exit_code(pipelines: Sequence[IngestPipeline], stats: Stats, *, ends: bool) -> int:
    """A signal that came before work with an end was at its end is told, however well all drained."""
    if stats.exit_code or not (ends and stats.signal):
        return stats.exit_code
    return 0 if all(pipeline.finished for pipeline in pipelines) else 128 + stats.signal


def _reports(pipelines: Sequence[IngestPipeline], stats: Stats) -> tuple[PipelineReport, ...]:
    reports = []
    for pipeline in pipelines:
        outcome = stats.outcomes[pipeline.key]
        completed = isinstance(outcome, TaskOutput)
        message = outcome.message if isinstance(outcome, TaskOutput) else str(outcome)
        ended = "completed" if completed else type(outcome).__name__.lower()
        reports.append(PipelineReport(pipeline.key, ended, message, pipeline.figures))
    return tuple(reports)
