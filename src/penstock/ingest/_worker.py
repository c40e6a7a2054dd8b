"""One pipeline's parts put together, and one turn of it. Everything here blocks."""

import os
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pyarrow as pa

from penstock.base import Clock, Failpoints, RetryPolicy, Value
from penstock.ingest._checkpointer import Checkpointer
from penstock.ingest._committer import Committer
from penstock.ingest._config import PipelineConfig
from penstock.ingest._cycle import Cycle, Steps
from penstock.ingest._cycle_result import CycleResult
from penstock.ingest._decode_file import DecodeSettings
from penstock.ingest._decoder import Decoder, DecoderOptions
from penstock.ingest._discovery import Discovery, Found
from penstock.ingest._layout import live_lane
from penstock.ingest._ledger import Ledger
from penstock.ingest._opener import StoreOpener
from penstock.ingest._places import Places
from penstock.ingest._plan import FileVersion, WriterSettings
from penstock.ingest._plan_flow import Work
from penstock.ingest._planner import PlanLimits, Planner, PlanTemplate
from penstock.ingest._prefixes import recent_prefixes
from penstock.ingest._producer import Producer
from penstock.ingest._sealer import Sealer
from penstock.ingest._source_config import PartitionFilter
from penstock.ingest._volumes import Binder
from penstock.telemetry import get_logger
from penstock.topology import PipelineContext

_log = get_logger("ingest")

_SPILL_LIMIT = 32 * 1024 * 1024
"""Rows of a file are held in memory up to here; four files at a time stay below 200 MiB."""


class Turn(Value):
    """What one turn came to."""

    young: int
    """Files that may still be written to."""
    waiting: int
    """Files that may be planned and are not yet."""
    changed: tuple[FileVersion, ...]
    """Files whose name is taken by another content."""


class Worker:
    """Turns one pipeline: look, plan, produce, seal, commit, acknowledge. Not for two threads at once."""

    def __init__(
        self, key: str, config: PipelineConfig, places: Places, producer: Producer, *,
        clock: Clock, failpoints: Failpoints,
    ) -> None:  # fmt: skip
        """Put the parts together; nothing is read or written yet."""
        self._key = key
        self._schema = config.schema_.to_arrow()
        self._table = places.table
        self._ledger = Ledger(places.root, places.table, key)
        self._looks = discoveries(config, places, clock)
        planner = Planner(
            places.root,
            self._ledger,
            template(key, config),
            limits=limits(config),
            clock=clock,
            failpoints=failpoints,
        )
        sealer = Sealer(places.root, dead_letters=places.dead_letters, failpoints=failpoints)
        committer = Committer(places.root, places.table, failpoints=failpoints)
        self._cycle = Cycle(
            Steps(
                self._ledger,
                planner,
                producer,
                sealer,
                committer,
                checkpointer=Checkpointer(places.root, places.table, key),
                binder=Binder(places.root, key),
            ),
            failpoints=failpoints,
            max_failures=config.error_handling.max_failures,
        )

    @property
    def totals(self) -> CycleResult:
        """All that was settled so far."""
        return self._cycle.totals

    @property
    def elsewhere(self) -> CycleResult:
        """All that was found settled: by earlier runs, and by rivals."""
        return self._ledger.elsewhere

    @property
    def limit_reached(self) -> bool:
        """Whether there were so many dead letters that nothing more is planned."""
        return self._cycle.limit_reached

    def prepare(self) -> None:
        """Make the table unless it is there, and warn of sources that are not.

        Raises:
            SchemaError: Its columns are not the declared ones.
        """
        self._table.create(self._schema)
        for source, path in (missing for look in self._looks for missing in look.absent()):
            _log.warning(
                "a source has no directory yet", pipeline=self._key, source=source, path=path
            )

    def turn(self, *, flush: bool) -> Turn:
        """Look at the sources once, and settle what can be settled."""
        found = self._look()
        self._cycle.run(found.files, flush=flush)
        free, changed = self._ledger.split(found.files)
        return Turn(found.young, len(free), tuple(changed))

    def replay(self, files: Sequence[FileVersion]) -> Turn:
        """Put dead-letter files through, each once."""
        self._cycle.recover()
        while self._ledger.split(files)[0] and not self.limit_reached:
            self._cycle.run(files)
        return Turn(young=0, waiting=0, changed=())

    def _look(self) -> Found:
        looks = [discovery.look() for discovery in self._looks]
        files = tuple(file for look in looks for file in look.files)
        return Found(files, sum(look.young for look in looks))


def work_of(
    key: str, config: PipelineConfig, places: Places, context: PipelineContext, *,
    directory: Path, open_decoder: Callable[[pa.Schema, DecoderOptions], Decoder], failpoints: Failpoints,
) -> Work:  # fmt: skip
    """What the plans of a pipeline need to be worked on."""
    options = config.schema_.options
    return Work(
        pipeline=key,
        context=context,
        opener=StoreOpener(places.sources, places.dead_letters),
        decoder=open_decoder(config.schema_.to_arrow(), options),
        settings={
            name: DecodeSettings(
                compression=source.compression.value if source.compression else "auto",
                bad_lines=config.error_handling.bad_lines.value,
                max_line_bytes=options.max_line_bytes,
            )
            for name, source in config.sources.items()
        },
        root=places.root,
        dead_letters=places.dead_letters,
        directory=directory,
        files_at_once=config.max_concurrent_files,
        uploads_at_once=config.sink.max_concurrent_uploads,
        retry=RetryPolicy(maximum_attempts=4),
        failpoints=failpoints,
    )


def limits(config: PipelineConfig) -> PlanLimits:
    """When a plan is made."""
    plan = config.plan
    return PlanLimits(plan.max_files, plan.max_bytes, plan.max_age)


def template(key: str, config: PipelineConfig) -> PlanTemplate:
    """What all plans of a pipeline have in common."""
    writer = WriterSettings(
        codec=config.sink.compression.value,
        file_size=config.sink.file_size_mb * 1024 * 1024,
        row_group_rows=config.sink.row_group_rows,
        spill_limit=_SPILL_LIMIT,
        compression_level=config.sink.compression_level,
        dictionary=config.sink.dictionary,
        integer_encoding=config.sink.integer_encoding,
        strands=min(config.max_concurrent_files, os.cpu_count() or 1),
    )
    return PlanTemplate(key, live_lane(key), config.schema_.id, writer)


def discoveries(
    config: PipelineConfig, places: Places, clock: Clock, *, settle: timedelta | None = None
) -> list[Discovery]:
    """One per source, by its key; each source settles and is limited in its own way.

    Args:
        config: What the pipeline is.
        places: Where its sources are.
        clock: Tells how long a file has stood still.
        settle: Instead of the configured time.
    """
    return [
        Discovery(
            {name: places.sources[name]},
            clock=clock,
            settle=source.settle_secs if settle is None else settle,
            prefixes=partial(_prefixes, source.partition_filter),
        )
        for name, source in sorted(config.sources.items())
    ]


def _prefixes(recent: PartitionFilter | None, now: datetime) -> Sequence[str]:
    return ("",) if recent is None else recent_prefixes(recent, now)
