"""The reference decoder keeps the decoders' contract."""

import pyarrow as pa
import pytest

from penstock.ingest import Decoder, DecoderOptions, ReferenceDecoder, UnsupportedTypeError
from penstock.testing import DecoderConformance, generate_damaged


class TestReferenceDecoder(DecoderConformance):
    """By the suite that every decoder must pass."""

    def make_decoder(self, schema: pa.Schema, options: DecoderOptions) -> Decoder:
        return ReferenceDecoder(schema, options)


def test_damaged_lines_are_judged_and_never_break_the_decoder():
    """The rows of what is left are sound, and every line is a row, rejected, or blank."""
    rejected = 0
    for seed in range(60):
        case = generate_damaged(seed)
        decoded = ReferenceDecoder(case.schema).decode(case.chunk())
        decoded.batch.validate(full=True)
        blank = sum(not line.strip(b" \t\r") for line in case.lines)
        assert decoded.batch.num_rows + len(decoded.rejected) + blank == decoded.lines
        rejected += len(decoded.rejected)
    assert 300 < rejected < 900  # most damage is fatal, some is not


def test_a_type_that_no_value_is_read_into_is_refused_with_its_column():
    """At construction, not at the first line."""
    with pytest.raises(UnsupportedTypeError, match=r"'a.b' has the type decimal128\(5, 2\)"):
        ReferenceDecoder(pa.schema([("a", pa.struct([("b", pa.decimal128(5, 2))]))]))
    with pytest.raises(UnsupportedTypeError):
        ReferenceDecoder(pa.schema([]))
