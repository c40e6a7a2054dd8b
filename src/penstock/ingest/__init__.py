"""Files to tables, exactly once.

Owns: the configuration of ingestion, the declared schema, the decoder port and its reference, and
what stands between a file's bytes and its rows.
Promises: a source file's rows are in the table exactly once, whatever dies in between. A value is
right or its line is rejected by number, offset and class; a bad line costs itself only.
Does not: install signal handlers, or know who calls it.
"""

from penstock.ingest._config import MetricsConfig, PipelineConfig
from penstock.ingest._decoder import (
    Chunk,
    Decoded,
    Decoder,
    DecoderOptions,
    LineError,
    RejectedLine,
)
from penstock.ingest._errors import IngestError, UnsupportedTypeError
from penstock.ingest._load import IngestConfig, load_config
from penstock.ingest._reference_decoder import ReferenceDecoder
from penstock.ingest._schema_config import FieldConfig, SchemaConfig

__all__ = [
    "Chunk",
    "Decoded",
    "Decoder",
    "DecoderOptions",
    "FieldConfig",
    "IngestConfig",
    "IngestError",
    "LineError",
    "MetricsConfig",
    "PipelineConfig",
    "ReferenceDecoder",
    "RejectedLine",
    "SchemaConfig",
    "UnsupportedTypeError",
    "load_config",
]
