"""Files to tables, exactly once.

Owns: the declared schema, the decoder port with its two implementations, and what stands between a
file's bytes and its rows.
Promises: a value is right or its line is rejected by number, offset and class; a bad line costs
itself only.
Does not: decide when work is done, or where it is kept.
"""

from penstock.ingest._compiled_decoder import (
    CompiledDecoder,
    SlowDecoderWarning,
    open_decoder,
)
from penstock.ingest._dead_letters import DeadLetter, read_dead_letters
from penstock.ingest._decoder import (
    Chunk,
    Decoded,
    Decoder,
    DecoderOptions,
    LineError,
    RejectedLine,
)
from penstock.ingest._errors import FileError, IngestError, UnsupportedTypeError
from penstock.ingest._reference_decoder import ReferenceDecoder
from penstock.ingest._schema_config import FieldConfig, SchemaConfig

__all__ = [
    "Chunk",
    "CompiledDecoder",
    "DeadLetter",
    "Decoded",
    "Decoder",
    "DecoderOptions",
    "FieldConfig",
    "FileError",
    "IngestError",
    "LineError",
    "ReferenceDecoder",
    "RejectedLine",
    "SchemaConfig",
    "SlowDecoderWarning",
    "UnsupportedTypeError",
    "open_decoder",
    "read_dead_letters",
]
