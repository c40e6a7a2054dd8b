"""Which column is written how: asked of the files themselves."""

import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from penstock.ingest._encodings import encodings
from penstock.ingest._plan import DictionaryUse, IntegerEncoding
from tests.ingest.test_parquet import write

SCHEMA = pa.schema(
    [
        ("i", pa.int64()),
        ("f", pa.float64()),
        ("b", pa.bool_()),
        pa.field("j", pa.string(), metadata={b"penstock.type": b"json"}),
        ("s", pa.string()),
        ("d", pa.date32()),
        ("l", pa.list_(pa.field("element", pa.string()))),
        ("o", pa.struct([("t", pa.timestamp("us", tz="UTC")), ("x", pa.string())])),
    ]
)
PATHS = ["i", "f", "b", "j", "s", "d", "l.list.element", "o.t", "o.x"]


def row(number):
    """Every fiftieth value of `i`, `s` and `o.t` is new; every value of the others."""
    tens = number // 50
    return {
        "i": tens, "f": number / 2, "b": True, "j": str(number), "s": str(tens), "d": number,
        "l": [f"l{number}"], "o": {"t": tens, "x": f"x{number}"},
    }  # fmt: skip


def table(rows, schema=SCHEMA):
    return pa.Table.from_batches([pa.RecordBatch.from_pylist(rows, schema)])


ROWS = table([row(number) for number in range(300)])


def columns(tmp_path, rows=ROWS, **settings):
    """The columns of the first row group of the one file."""
    (part,) = write(rows.to_batches(), tmp_path, rows.schema, **settings)
    group = pq.read_metadata(part.path).row_group(0)
    assert pq.read_table(part.path).to_pylist() == rows.to_pylist()
    return [group.column(index) for index in range(group.num_columns)]


def with_dictionary(tmp_path, rows=ROWS, **settings):
    found = columns(tmp_path, rows, **settings)
    return [column.path_in_schema for column in found if column.has_dictionary_page]


def delta_encoded(tmp_path, rows=ROWS, **settings):
    found = columns(tmp_path, rows, integer_encoding=IntegerEncoding.DELTA, **settings)
    return [column.path_in_schema for column in found if "DELTA_BINARY_PACKED" in column.encodings]


@pytest.mark.parametrize(
    ("use", "paths"),
    [
        (DictionaryUse.STRINGS, ["s", "l.list.element", "o.x"]),
        (DictionaryUse.SAMPLED, ["i", "s", "o.t"]),
        (DictionaryUse.NONE, []),
        (DictionaryUse.ALL, [path for path in PATHS if path != "b"]),
    ],
)
def test_the_columns_that_were_asked_for_get_a_dictionary(use, paths, tmp_path):
    """Those inside lists and structs too; JSON text is hardly ever repeated, and no string here."""
    assert with_dictionary(tmp_path, dictionary=use) == paths


def test_unless_asked_for_only_strings_get_a_dictionary_and_nothing_is_delta_encoded(tmp_path):
    """Every reader takes that."""
    found = columns(tmp_path)
    assert [c.path_in_schema for c in found if c.has_dictionary_page] == ["s", "l.list.element", "o.x"]  # fmt: skip
    assert not any("DELTA" in encoding for column in found for encoding in column.encodings)


@pytest.mark.parametrize(
    ("use", "paths"),
    [
        (DictionaryUse.STRINGS, ["i", "d", "o.t"]),
        (DictionaryUse.NONE, ["i", "d", "o.t"]),
        (DictionaryUse.SAMPLED, ["d"]),
    ],
)
def test_integers_dates_and_times_without_a_dictionary_are_delta_encoded(use, paths, tmp_path):
    assert delta_encoded(tmp_path, dictionary=use) == paths


@given(
    distinct=st.integers(1, 700),
    rows=st.integers(1, 5000),
    spread=st.sampled_from(["in turn", "sorted", "mixed"]),
    nulls=st.sampled_from([0.0, 0.5, 0.99]),
    seed=st.integers(0, 1000),
)
@example(distinct=600, rows=5000, spread="in turn", nulls=0.0, seed=0)
def test_a_dictionary_is_for_columns_whose_values_take_ten_times_its_room(
    distinct, rows, spread, nulls, seed
):
    """By all rows, or by their first part alone: then it cannot be worse than small at the end.

    The model counts 8 bytes for each value; heads of pages take less than 200 bytes, and where
    nulls are takes a bit for each row. Nulls are neither values nor repeats.
    """
    chance = random.Random(seed)
    numbers = [n % distinct for n in range(rows)]
    if spread != "in turn":
        numbers.sort(key=lambda n: n if spread == "sorted" else chance.random())
    values = [None if chance.random() < nulls else n * 2**40 for n in numbers]

    def room(some):
        return 8 * (len(some) - some.count(None))

    def dictionary(some):
        return 8 * len({*some} - {None})

    table = pa.table({"n": pa.array(values, pa.int64())})
    found = encodings(table, DictionaryUse.SAMPLED, IntegerEncoding.PLAIN).dictionary

    part = values[: -(-rows // 7)]
    if 10 * (dictionary(values) + 20) <= room(values):
        assert found == ["n"]
    if found:
        assert any(10 * dictionary(some) <= room(some) + rows / 8 + 200 for some in (part, values))


def test_texts_count_with_their_bytes(tmp_path):
    """A long text that stands once may take as much room as all other values together."""
    rows = pa.table({"even": ["word"] * 2000, "odd": ["w" * 20_000] + ["word"] * 1999})
    assert with_dictionary(tmp_path, rows, dictionary=DictionaryUse.SAMPLED) == ["even"]


def test_texts_between_nulls_count_without_them():
    """Nine rows of ten take no room in the file, whatever they take in memory."""
    ids = [None if n % 10 else f"{n:06}" for n in range(20_000)]
    rows = pa.table({"id": pa.array(ids, pa.string())})

    assert encodings(rows, DictionaryUse.SAMPLED, IntegerEncoding.PLAIN).dictionary == []


def test_the_limit_of_a_dictionary_hides_no_ids():
    """A writer gives up at a mebibyte, which is little beside the texts of a whole row group."""
    ids = pa.table({"id": [f"{n}".rjust(2000) for n in range(16_000)]})

    assert encodings(ids, DictionaryUse.SAMPLED, IntegerEncoding.PLAIN).dictionary == []


def test_the_items_of_a_part_of_the_rows_are_its_own():
    """Rows are cut out of larger arrays, whose other items say nothing about them."""
    items = [[n] for n in range(500)] + [[7]] * 500
    rows = pa.table({"l": pa.array(items, pa.list_(pa.int64()))})

    ids, sevens = (
        encodings(half, DictionaryUse.SAMPLED, IntegerEncoding.PLAIN).dictionary
        for half in (rows.slice(0, 500), rows.slice(500))
    )
    assert (ids, sevens) == ([], ["l.list.element"])


def test_columns_without_a_value_get_none(tmp_path):
    """Ten different values among a thousand nulls do not repeat themselves; no value at all does not either."""
    schema = pa.schema(
        [("few", pa.int64()), ("none", pa.int64()), ("same", pa.int64()), ("l", pa.list_(pa.int64()))]
    )  # fmt: skip
    values = [{"few": n, "same": 1, "l": []} for n in range(10)] + [{"same": 1}] * 990
    rows = table(values, schema)
    assert with_dictionary(tmp_path, rows, dictionary=DictionaryUse.SAMPLED) == ["same"]


def test_a_column_whose_first_rows_are_mostly_null_is_judged_by_the_others(tmp_path):
    """The first rows say nothing about it."""
    late = [None] * 3500 + [*range(50)] * 70
    few = [*range(50)] + [None] * 3450 + [*range(50)] * 70
    rows = pa.table({"late": pa.array(late, pa.int64()), "few": pa.array(few, pa.int64())})
    assert with_dictionary(tmp_path, rows, dictionary=DictionaryUse.SAMPLED) == ["late", "few"]


def test_a_filler_below_a_null_struct_is_no_value(tmp_path):
    """It would make any member of a mostly absent struct look repeated."""
    member = pa.field("m", pa.int64(), nullable=False)
    schema = pa.schema([("o", pa.struct([member]))])
    structs = pa.StructArray.from_arrays(
        [pa.array([*range(10), *[0] * 190], pa.int64())],
        fields=[member],
        mask=pa.array([False] * 10 + [True] * 190),
    )
    rows = pa.Table.from_arrays([structs], schema=schema)
    assert with_dictionary(tmp_path, rows, dictionary=DictionaryUse.SAMPLED) == []


def test_the_first_row_group_of_each_file_decides_for_all_of_it(tmp_path):
    """So a part's bytes depend on its own rows alone."""
    schema = pa.schema([("i", pa.int64())])
    rows = table([{"i": 7}] * 100 + [{"i": n} for n in range(100)], schema)
    sampled = {"dictionary": DictionaryUse.SAMPLED, "row_group_rows": 100}
    (one,) = write(rows.to_batches(), tmp_path / "one", schema, **sampled)
    both = pq.read_metadata(one.path)
    assert [both.row_group(n).column(0).has_dictionary_page for n in range(2)] == [True, True]
    first, second = write(rows.to_batches(), tmp_path / "two", schema, file_size=1, **sampled)
    found = [pq.read_metadata(part.path).row_group(0).column(0) for part in (first, second)]
    assert [column.has_dictionary_page for column in found] == [True, False]


def test_columns_that_share_a_path_are_written_too(tmp_path):
    """A dot in a name makes `a.b` out of two columns; pyarrow would refuse to delta encode the text."""
    schema = pa.schema([("a.b", pa.string()), ("a", pa.struct([("b", pa.int64())]))])
    rows = table([{"a.b": str(n), "a": {"b": n}} for n in range(50)], schema)
    for use in (DictionaryUse.NONE, DictionaryUse.STRINGS, DictionaryUse.SAMPLED):
        assert delta_encoded(tmp_path / use.value, rows, dictionary=use) == []


def test_pages_are_long_where_all_columns_repeat_themselves(tmp_path):
    """A page is worth its head and its own start of compression only where its values take some bytes."""
    schema = pa.schema([("i", pa.int64()), ("b", pa.bool_())])
    rows = table([{"i": n % 7, "b": n % 3 == 0} for n in range(50_000)], schema)
    long, usual = (
        columns(tmp_path / use.value, rows, dictionary=use, row_group_rows=50_000)
        for use in (DictionaryUse.SAMPLED, DictionaryUse.ALL)
    )
    for one, other in zip(long, usual, strict=True):
        assert one.has_dictionary_page == other.has_dictionary_page
        assert one.total_uncompressed_size < other.total_uncompressed_size


def test_one_column_that_does_not_repeat_itself_keeps_all_pages_short():
    """A longer page of text compresses worse; pyarrow has one limit for all columns."""
    some = ROWS.select(["i", "b"])
    assert encodings(some, DictionaryUse.SAMPLED, IntegerEncoding.PLAIN).long_pages
    assert not encodings(ROWS, DictionaryUse.SAMPLED, IntegerEncoding.PLAIN).long_pages


def test_the_cut_into_batches_does_not_matter():
    """The same rows in other chunks get the same encodings."""
    whole = encodings(ROWS, DictionaryUse.SAMPLED, IntegerEncoding.DELTA)
    pieces = pa.concat_tables([ROWS.slice(start, 7) for start in range(0, 300, 7)])
    assert pieces.column(0).num_chunks > 1
    assert encodings(pieces, DictionaryUse.SAMPLED, IntegerEncoding.DELTA) == whole
