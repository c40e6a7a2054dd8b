"""Files to tables, exactly once.

Owns: the configuration of ingestion, the declared schema and the decoder of lines, discovery, the
ledger, and the protocol *plan, produce, seal, commit, acknowledge*.
Promises: a source file is in exactly one of pending, planned, committed, dead, gone; committed means
that its rows are in the table exactly once, whoever dies and whoever else works on the same pipeline.
A value is right or its line is rejected by number, offset and class; a bad line costs itself only.
Does not: install signal handlers, or start again from the beginning when table and ledger contradict
each other; it stops.
"""

from penstock.ingest._committer import Committer
from penstock.ingest._config import MetricsConfig, PipelineConfig
from penstock.ingest._cycle import Cycle, CycleResult, Steps
from penstock.ingest._dead_letters import DeadLetter, read_dead_letters
from penstock.ingest._decoder import (
    Chunk,
    Decoded,
    Decoder,
    DecoderOptions,
    LineError,
    RejectedLine,
)
from penstock.ingest._discovery import Discovery, Found
from penstock.ingest._errors import FileError, IngestError, UnsupportedTypeError
from penstock.ingest._ledger import FileStatus, Ledger, OpenPlan, Settlement
from penstock.ingest._load import IngestConfig, load_config
from penstock.ingest._planner import PlanLimits, Planner, Planning, PlanTemplate
from penstock.ingest._producer import Acknowledger, Produced, Producer
from penstock.ingest._protocol_errors import AccountingError, CommitBlockedError, DamagedStateError
from penstock.ingest._reference_decoder import ReferenceDecoder
from penstock.ingest._schema_config import FieldConfig, SchemaConfig
from penstock.ingest._sealer import Sealer

__all__ = [
    "AccountingError",
    "Acknowledger",
    "Chunk",
    "CommitBlockedError",
    "Committer",
    "Cycle",
    "CycleResult",
    "DamagedStateError",
    "DeadLetter",
    "Decoded",
    "Decoder",
    "DecoderOptions",
    "Discovery",
    "FieldConfig",
    "FileError",
    "FileStatus",
    "Found",
    "IngestConfig",
    "IngestError",
    "Ledger",
    "LineError",
    "MetricsConfig",
    "OpenPlan",
    "PipelineConfig",
    "PlanLimits",
    "PlanTemplate",
    "Planner",
    "Planning",
    "Produced",
    "Producer",
    "ReferenceDecoder",
    "RejectedLine",
    "SchemaConfig",
    "Sealer",
    "Settlement",
    "Steps",
    "UnsupportedTypeError",
    "load_config",
    "read_dead_letters",
]
