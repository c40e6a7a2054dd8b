"""Staged flows: messages go down, demand goes up.

Owns: `Flow` and its run, `Message`, channels, sources, stages, branches and sinks, worker pools,
batches, retries, dead letters, drain and cancel, checkpoints, lines of files as a source, statistics
and the report.
Promises: outcomes balance at every instant; channels are bounded in messages and bytes; a source
message is acknowledged when all that came of it is settled; no task, thread or process outlives a run,
but for threads whose blocked call nobody can interrupt; with a checkpoint, what was settled is not
delivered again by the next run, and what was not settled is.
Does not: know formats, tables or configuration files; draw live views.
"""

from penstock.flow._branch import merge, route, tee
from penstock.flow._channel import Channel, MemoryChannel
from penstock.flow._checkpoint import Checkpoint
from penstock.flow._context import Context
from penstock.flow._dead_letters import DeadLetter
from penstock.flow._errors import (
    ChannelClosedError,
    CheckpointError,
    FatalError,
    FlowError,
    NotPicklableError,
    PoisonError,
    StageTimeoutError,
    WorkerDiedError,
)
from penstock.flow._flow import Flow
from penstock.flow._message import Drop, Message
from penstock.flow._order import key
from penstock.flow._rate import RateLimit
from penstock.flow._report import FlowFailedError, FlowReport
from penstock.flow._run import RunningFlow
from penstock.flow._sink import ProgressSink, Sink
from penstock.flow._source import EndOfSource, SeekableSource, Source
from penstock.flow._source_cursor import resumable
from penstock.flow._source_lines import read_lines
from penstock.flow._stage import Stage, stage
from penstock.flow._statistics import FlowStatistics, StageStatistics
from penstock.flow._stream import FlowStream

__all__ = [
    "Channel",
    "ChannelClosedError",
    "Checkpoint",
    "CheckpointError",
    "Context",
    "DeadLetter",
    "Drop",
    "EndOfSource",
    "FatalError",
    "Flow",
    "FlowError",
    "FlowFailedError",
    "FlowReport",
    "FlowStatistics",
    "FlowStream",
    "MemoryChannel",
    "Message",
    "NotPicklableError",
    "PoisonError",
    "ProgressSink",
    "RateLimit",
    "RunningFlow",
    "SeekableSource",
    "Sink",
    "Source",
    "Stage",
    "StageStatistics",
    "StageTimeoutError",
    "WorkerDiedError",
    "key",
    "merge",
    "read_lines",
    "resumable",
    "route",
    "stage",
    "tee",
]
