"""A declared schema is read strictly, and means one Arrow schema."""

import pyarrow as pa
import pytest

from penstock.base import ConfigError, parse_yaml
from penstock.ingest import DecoderOptions, SchemaConfig


def read(*fields):
    return SchemaConfig.model_validate({"fields": list(fields)})


def problems(text):
    with pytest.raises(ConfigError) as caught:
        SchemaConfig.from_document(parse_yaml(text, file="a.yaml"))
    return [str(problem) for problem in sorted(caught.value.problems)]


@pytest.mark.case("k04")
def test_every_type_has_its_arrow_type():
    """Nullable unless said otherwise; lists hold nullable elements."""
    scalars = {
        "string": pa.string(), "int32": pa.int32(), "int64": pa.int64(), "float32": pa.float32(),
        "float64": pa.float64(), "boolean": pa.bool_(), "timestamp": pa.timestamp("us", tz="UTC"),
        "date": pa.date32(), "json": pa.string(), "binary": pa.binary(),
    }  # fmt: skip
    for name, type_ in scalars.items():
        (field,) = read({"name": "a", "type": name}).to_arrow()
        assert (field.type, field.nullable) == (type_, True)
        assert field.metadata == ({b"penstock.type": b"json"} if name == "json" else None)
    schema = read(
        {"name": "l", "type": "list<list<int64>>", "nullable": False},
        {"name": "p", "type": "list<struct>", "fields": [{"name": "k", "type": "json"}]},
    ).to_arrow()
    assert schema.field("l").type == pa.list_(
        pa.field("element", pa.list_(pa.field("element", pa.int64())))
    )
    assert not schema.field("l").nullable
    assert schema.field("p").type.value_type.field("k").metadata == {b"penstock.type": b"json"}


def test_all_problems_come_at_once_with_line_and_suggestion():
    """Unknown types and keys, wrong members, names declared twice."""
    text = """\
fields:
  - {name: a, type: timstamp}
  - {name: b, type: int64, nulable: true}
  - {name: c, type: struct}
  - {name: d, type: string, fields: [{name: x, type: int64}]}
  - {name: e, type: "list<in64>"}
  - {name: f, type: struct, fields: [{name: x, type: int64}, {name: X, type: date}]}
"""
    found = problems(text)
    expected = [
        ("a.yaml:2", "unknown type 'timstamp'; did you mean 'timestamp'?"),
        ("a.yaml:3", "did you mean 'nullable'?"),
        ("a.yaml:4", "has no members; list them in `fields`"),
        ("a.yaml:5", "only a struct has `fields`"),
        ("a.yaml:6", "unknown type 'list<in64>'; did you mean 'int64'?"),
        ("a.yaml:7", "declared twice (letter case aside): X, x"),
    ]
    assert len(found) == len(expected)
    for problem, (place, words) in zip(found, expected, strict=True):
        assert problem.startswith(place)
        assert words in problem


def test_the_rescue_column_stands_behind_the_others():
    """JSON text that may be null, marked so that decoders know it."""
    schema = SchemaConfig.model_validate(
        {"rescue": "_rescued", "fields": [{"name": "a", "type": "int64"}]}
    ).to_arrow()

    assert schema.names == ["a", "_rescued"]
    assert schema.field(1) == pa.field("_rescued", pa.string())
    assert schema.field(1).metadata == {b"penstock.type": b"rescue"}


@pytest.mark.parametrize("name", ["a", "A"])
def test_a_rescue_column_with_the_name_of_a_field_is_refused(name):
    """Letter case does not tell Delta columns apart."""
    (problem,) = problems(f"rescue: {name}\nfields: [{{name: a, type: int64}}]\n")

    assert f"rescue: {name} is the column 'a' of `fields`" in problem
    assert "such as _rescued" in problem


def test_options_are_read_with_the_schema():
    """Every leniency can be asked for in a configuration, sizes in words included."""
    schema = SchemaConfig.from_document(
        parse_yaml(
            """\
options:
  max_depth: 50
  max_line_bytes: 1MiB
  finer_timestamps: cut
  epoch_timestamps: milliseconds
  whole_fractions: read
  quoted_numbers: read
  not_a_number: nullify
  duplicate_keys: last
fields: [{name: a, type: int64}]
""",
            file="a.yaml",
        )
    )

    assert schema.options == DecoderOptions(
        max_depth=50,
        max_line_bytes=1 << 20,
        finer_timestamps="cut",
        epoch_timestamps="milliseconds",
        whole_fractions="read",
        quoted_numbers="read",
        not_a_number="nullify",
        duplicate_keys="last",
    )
    assert set(DecoderOptions.model_fields) == schema.options.model_fields_set


def test_an_option_that_does_not_exist_is_refused_with_its_line():
    """And so is a value that an option does not have."""
    text = "options:\n  quoted_number: read\n  duplicate_keys: first\nfields: [{name: a, type: int64}]\n"

    first, second = problems(text)

    assert first.startswith("a.yaml:2")
    assert "did you mean 'quoted_numbers'?" in first
    assert second.startswith("a.yaml:3")
    assert "'refuse' or 'last'" in second


def test_a_rescue_column_has_a_name():
    """Empty is not "none"."""
    assert problems('rescue: ""\nfields: [{name: a, type: int64}]\n')


def test_a_schema_without_columns_is_refused():
    assert problems("fields: []\n")


def test_the_id_tells_schemas_apart_by_meaning_only():
    """Name, type, nullability, order, members; not spelling."""
    first = read({"name": "a", "type": "list<int64>"})
    rescuing = [first.model_copy(update={"rescue": name}) for name in ("r", "s")]
    lenient = [
        first.model_copy(update={"options": DecoderOptions(**{name: value})})
        for name, value in (("quoted_numbers", "read"), ("max_depth", 9))
    ]
    strict = first.model_copy(update={"options": DecoderOptions(quoted_numbers="refuse")})
    same = read({"name": "a", "type": "list< int64 >", "nullable": True})
    others = [
        read({"name": "b", "type": "list<int64>"}),
        read({"name": "a", "type": "list<int32>"}),
        read({"name": "a", "type": "list<int64>", "nullable": False}),
        read({"name": "a", "type": "list<int64>"}, {"name": "b", "type": "date"}),
        read({"name": "b", "type": "date"}, {"name": "a", "type": "list<int64>"}),
        read({"name": "a", "type": "struct", "fields": [{"name": "x", "type": "date"}]}),
    ]
    assert first.id == same.id == strict.id
    different = (first, *others, *rescuing, *lenient)
    assert len({schema.id for schema in different}) == len(different)
