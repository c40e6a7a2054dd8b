"""Ingestion as a whole: from a configuration to a report."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import TextIO

import pyarrow as pa
from msgspec import field

from penstock.base import Clock, Failpoints, Value
from penstock.ingest._compiled_decoder import open_decoder
from penstock.ingest._crew import Crew
from penstock.ingest._decoder import Decoder, DecoderOptions
from penstock.ingest._figures import Figures
from penstock.ingest._load import IngestConfig
from penstock.ingest._pipeline import IngestOptions
from penstock.ingest._plan import FileVersion
from penstock.storage import StoragePool
from penstock.telemetry import Progress, ProgressRow, get_logger, plain_line
from penstock.topology import (
    PipelineContext,
    PipelineSpec,
    Stats,
    TaskOutput,
    make_context,
    run_pipelines,
)

_SWITCH_INTERVAL_S = 0.0005
"""One busy Python thread costs the decoding beside it 6.5 times its speed at the default of 5 ms."""

_log = get_logger("ingest")


class PipelineReport(Value):
    """What one pipeline did, and how it ended."""

    pipeline: str
    ended: str
    """`completed`, `cancelled` or `failed`."""
    message: str
    """One line for people."""
    figures: Figures


class IngestReport(Value):
    """What a run did."""

    pipelines: tuple[PipelineReport, ...]
    """In the order of the configuration; those that a reload removed are not among them."""

    exit_code: int
    """0 where all is done, or a follower was stopped and drained; else as the command line exits."""


class RunSettings(Value):
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

    reload: Callable[[], IngestConfig] | None = None
    """Reads the configuration again, at SIGHUP; None leaves the signal alone. Not with work that ends."""

    clock: Clock | None = None
    """The machine's, unless a test says otherwise."""


async def run_ingest(config: IngestConfig, settings: RunSettings) -> IngestReport:
    """Run all pipelines to their ends. A pipeline that fails is part of the report, never raised.

    SIGINT, SIGTERM or SIGQUIT lets the plans in hand finish, a second one cancels; in the main
    thread only. With `settings.reload`, SIGHUP reads the configuration again: pipelines that have
    changed, or are gone, drain, and what is new starts then; all others go on untouched. What
    cannot be taken over is logged, and changes nothing.

    Raises:
        AddressError: The address of the metrics cannot be listened on; nothing was started.
    """
    if settings.whole_process:
        sys.setswitchinterval(_SWITCH_INTERVAL_S)
    pool = StoragePool(connection_pooling=config.shared.connection_pooling)
    context = make_context(config.shared, clock=settings.clock, storage_pool=pool)
    ends = settings.once or settings.replay is not None
    only = None if settings.replay is None else list(settings.replay)
    crew = Crew(config, lambda key: _options(key, config, settings), only, ends=ends)
    async with _shown(crew, context, settings.progress):
        stats = await run_pipelines(
            settings.metrics_address or (config.metrics.address if config.metrics else None),
            config.shared,
            "ingest",
            lambda _: crew.specs(),
            reload=_reload(crew, settings),
            context=context,
        )
    return IngestReport(_reports(crew, stats), _exit_code(crew, stats))


def _reload(crew: Crew, settings: RunSettings) -> Callable[[], list[PipelineSpec]] | None:
    read = settings.reload
    if read is None or crew.ends:
        return None
    return lambda: crew.follow(read())


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
    crew: Crew, context: PipelineContext, stream: TextIO | None
) -> AsyncIterator[None]:
    """Show the progress while the block lasts."""
    if stream is None:
        yield
        return
    view = Progress(
        lambda: [row for pipeline in crew.current() for row in pipeline.progress()],
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


def _exit_code(crew: Crew, stats: Stats) -> int:
    """A signal that came before work with an end was at its end is told, however well all drained."""
    if stats.exit_code or not (crew.ends and stats.signal):
        return stats.exit_code
    return 0 if all(pipeline.finished for pipeline in crew.current()) else 128 + stats.signal


def _reports(crew: Crew, stats: Stats) -> tuple[PipelineReport, ...]:
    reports = []
    for key, outcome in stats.outcomes.items():
        completed = isinstance(outcome, TaskOutput)
        message = outcome.message if isinstance(outcome, TaskOutput) else str(outcome)
        ended = "completed" if completed else type(outcome).__name__.lower()
        reports.append(PipelineReport(key, ended, message, crew.figures(key)))
    return tuple(reports)
