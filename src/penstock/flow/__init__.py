"""Staged flows: messages go down, demand goes up.

Owns: `Flow` and its run, `Message`, channels, sources, stages and sinks, worker pools, batches,
retries, dead letters, drain and cancel, statistics and the report.
Promises: outcomes balance at every instant; channels are bounded in messages and bytes; a source
message is acknowledged when all that came of it is settled; no task, thread or process outlives a run,
but for threads whose blocked call nobody can interrupt.
Does not: know files, tables or configuration; draw live views; keep state between runs.
"""

from penstock.flow._channel import Channel, MemoryChannel
from penstock.flow._dead_letters import DeadLetter
from penstock.flow._errors import (
    ChannelClosedError,
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
from penstock.flow._sink import Sink
from penstock.flow._source import EndOfSource, Source
from penstock.flow._stage import Stage, stage
from penstock.flow._statistics import FlowStatistics, StageStatistics

__all__ = [
    "Channel",
    "ChannelClosedError",
    "DeadLetter",
    "Drop",
    "EndOfSource",
    "FatalError",
    "Flow",
    "FlowError",
    "FlowFailedError",
    "FlowReport",
    "FlowStatistics",
    "MemoryChannel",
    "Message",
    "NotPicklableError",
    "PoisonError",
    "RateLimit",
    "RunningFlow",
    "Sink",
    "Source",
    "Stage",
    "StageStatistics",
    "StageTimeoutError",
    "WorkerDiedError",
    "key",
    "stage",
]
