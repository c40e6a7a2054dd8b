"""A pipeline that follows its source, on the loop of a test."""

import asyncio
from datetime import timedelta

from penstock import ingest
from penstock.base import RetryPolicy
from penstock.ingest import IngestOptions, IngestPipeline
from penstock.storage import StoragePool
from penstock.topology import PipelineContext, make_context
from tests.ingest.workplace import Workplace

_AT_ONCE = RetryPolicy(initial_interval=timedelta(milliseconds=10), maximum_attempts=0)


def follower(place: Workplace) -> tuple[IngestPipeline, PipelineContext]:
    """The only pipeline of a workplace; it asks a store that fails again at once."""
    config = ingest.validate(place.config)
    context = make_context(config.shared, storage_pool=StoragePool())
    options = IngestOptions(state_dir=config.state_dir, retry=_AT_ONCE)
    return IngestPipeline("p", config.pipelines["p"], context, options), context


async def until_files(pipeline: IngestPipeline, count: int) -> None:
    """Wait until the rows of so many files are in the table."""
    while pipeline.figures.files_processed < count:
        await asyncio.sleep(0.01)
