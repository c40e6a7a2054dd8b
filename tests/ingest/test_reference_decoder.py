"""The reference decoder keeps the decoders' contract."""

import json

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.ingest import Chunk, Decoder, DecoderOptions
from penstock.ingest._compiled_decoder import CompiledDecoder
from penstock.ingest._errors import UnsupportedTypeError
from penstock.ingest._reference_decoder import ReferenceDecoder
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


def test_what_is_rescued_from_damaged_lines_is_always_an_object():
    """Any reader of JSON can take it apart, and finds the keys of the row."""
    rescued = []
    for seed in range(1, 61, 2):
        case = generate_damaged(seed)
        batch = ReferenceDecoder(case.schema).decode(case.chunk()).batch
        rescued += [text for text in batch.column("_rescued").to_pylist() if text is not None]

    assert len(rescued) > 100
    assert all(isinstance(json.loads(text), dict) for text in rescued)


def test_a_rescue_column_is_one_of_the_row():
    """Below the top nobody would fill it, and alone it would make no schema."""
    rescue = pa.field("r", pa.string(), metadata={b"penstock.type": b"rescue"})
    for decoder in (ReferenceDecoder, CompiledDecoder):
        with pytest.raises(UnsupportedTypeError, match=r"'o\.r' has the type rescue"):
            decoder(pa.schema([("o", pa.struct([rescue]))]))
        with pytest.raises(UnsupportedTypeError):
            decoder(pa.schema([rescue]))


def test_a_rescue_column_may_stand_anywhere():
    """A schema need not come from a configuration."""
    rescue = pa.field("r", pa.string(), metadata={b"penstock.type": b"rescue"})
    schema = pa.schema([("a", pa.int64()), rescue, ("b", pa.int64())])
    for decoder in (ReferenceDecoder(schema), CompiledDecoder(schema)):
        batch = decoder.decode(Chunk(b'{"b":2,"r":0,"a":1}', 1, 0)).batch
        assert batch.to_pylist() == [{"a": 1, "r": '{"r":0}', "b": 2}]


def test_a_type_that_no_value_is_read_into_is_refused_with_its_column():
    """At construction, not at the first line."""
    with pytest.raises(UnsupportedTypeError, match=r"'a.b' has the type decimal128\(5, 2\)"):
        ReferenceDecoder(pa.schema([("a", pa.struct([("b", pa.decimal128(5, 2))]))]))
    with pytest.raises(UnsupportedTypeError):
        ReferenceDecoder(pa.schema([]))


ROW = st.fixed_dictionaries(
    {
        "i": st.none() | st.integers(-(2**63), 2**63 - 1),
        "f": st.none() | st.floats(allow_nan=False, allow_infinity=False),
        "s": st.none() | st.text(st.characters(exclude_categories=["Cs"])),
        "b": st.none() | st.booleans(),
        "l": st.none() | st.lists(st.none() | st.integers(-(2**31), 2**31 - 1), max_size=4),
        "o": st.none() | st.fixed_dictionaries({"é\n": st.text(st.characters(codec="utf-8"))}),
    }
)
ROW_SCHEMA = pa.schema(
    [
        ("i", pa.int64()),
        ("f", pa.float64()),
        ("s", pa.string()),
        ("b", pa.bool_()),
        ("l", pa.list_(pa.int32())),
        ("o", pa.struct([pa.field("é\n", pa.string(), nullable=False)])),
    ]
)


@settings(deadline=None)
@given(st.lists(ROW, min_size=1, max_size=5), st.booleans())
def test_what_the_standard_library_writes_is_read_as_it_was(rows, ascii_only):
    """Every float bit for bit, every text, with and without escapes."""
    lines = [json.dumps(row, ensure_ascii=ascii_only).encode() for row in rows]
    decoded = ReferenceDecoder(ROW_SCHEMA).decode(Chunk(b"\n".join(lines), 1, 0))
    assert decoded.rejected == ()
    in_order = [{name: row[name] for name in ROW_SCHEMA.names} for row in rows]
    assert repr(decoded.batch.to_pylist()) == repr(in_order)


JUNK = st.binary(max_size=40) | st.text('{}[]":,\\\t\r 0123456789-+.eEtrufalsn', max_size=40).map(
    str.encode
)


@settings(deadline=None)
@given(JUNK)
def test_a_line_is_accepted_only_if_the_standard_library_reads_an_object(line):
    """Any bytes: never an exception, and never laxer than a reader known for its laxness."""
    line = line.replace(b"\n", b"")
    decoded = ReferenceDecoder(ROW_SCHEMA).decode(Chunk(b"\n" + line, 1, 0))
    if decoded.batch.num_rows:
        assert isinstance(json.loads(line), dict)
    for bad in decoded.rejected:
        assert (bad.line, bad.offset, bad.length) == (2, 1, len(line))
        assert 0 <= bad.position <= len(line)
