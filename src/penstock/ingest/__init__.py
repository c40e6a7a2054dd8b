"""Files to tables, exactly once.

    from penstock import ingest
    report = ingest.run("penstock.yaml")

Owns: the configuration of ingestion, the declared schema and the decoders of lines, discovery, the
ledger, the protocol *plan, produce, seal, commit, acknowledge*, dead letters and their replay.
Promises: a source file is in exactly one of pending, planned, committed, dead, gone; committed means
that its rows are in the table exactly once, whoever dies and whoever else works on the same pipeline.
A value is right or its line is rejected by number, offset and class; a bad line costs itself only.
Does not: start again from the beginning when table and ledger contradict each other; it stops.
"""

from penstock.ingest._compiled_decoder import SlowDecoderWarning, open_decoder
from penstock.ingest._dead_letters import DeadLetter
from penstock.ingest._decoder import (
    Chunk,
    Decoded,
    Decoder,
    DecoderOptions,
    LineError,
    RejectedLine,
)
from penstock.ingest._errors import IngestError
from penstock.ingest._inspect import Inspector
from penstock.ingest._load import IngestConfig
from penstock.ingest._notebook import dead_letters, files, replay, run, validate
from penstock.ingest._pipeline import IngestOptions, IngestPipeline
from penstock.ingest._run import IngestReport, PipelineReport, RunSettings, run_ingest
from penstock.ingest._schema_config import FieldConfig, SchemaConfig

__all__ = [
    "Chunk",
    "DeadLetter",
    "Decoded",
    "Decoder",
    "DecoderOptions",
    "FieldConfig",
    "IngestConfig",
    "IngestError",
    "IngestOptions",
    "IngestPipeline",
    "IngestReport",
    "Inspector",
    "LineError",
    "PipelineReport",
    "RejectedLine",
    "RunSettings",
    "SchemaConfig",
    "SlowDecoderWarning",
    "dead_letters",
    "files",
    "open_decoder",
    "replay",
    "run",
    "run_ingest",
    "validate",
]
