"""The compiled decoder keeps the decoders' contract."""

import pyarrow as pa

from penstock.ingest import Decoder, DecoderOptions
from penstock.ingest._compiled_decoder import CompiledDecoder
from penstock.testing import DecoderConformance


class TestCompiledDecoder(DecoderConformance):
    """By the suite that every decoder must pass."""

    def make_decoder(self, schema: pa.Schema, options: DecoderOptions) -> Decoder:
        return CompiledDecoder(schema, options)
