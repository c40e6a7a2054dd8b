"""What we write, others read: every codec and encoding, every declared type, in DuckDB and polars."""

from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.ingest.parquet_matrix import ROWS, SCHEMA, settings, write_matrix

EXPECTED = pa.RecordBatch.from_pylist(ROWS, SCHEMA).to_pylist()
NAMES = [name for name, _ in settings()]


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_matrix(tmp_path_factory.mktemp("matrix"))


def same(table: pa.Table) -> bool:
    """Whether it holds the rows, values and nulls alike; -0.0 is not 0.0 here, but Etc/UTC is UTC."""
    found = repr(table.select(SCHEMA.names).to_pylist()).replace("Etc/UTC", "UTC")
    return found == repr(EXPECTED)


@pytest.mark.case("k06")
@pytest.mark.parametrize("name", NAMES)
def test_duckdb_reads_what_was_written(name: str, matrix: dict[str, Path]) -> None:
    with duckdb.connect() as connection:
        assert same(connection.read_parquet(str(matrix[name])).to_arrow_table())


@pytest.mark.parametrize("name", NAMES)
def test_polars_reads_what_was_written(name: str, matrix: dict[str, Path]) -> None:
    assert same(pl.read_parquet(matrix[name]).to_arrow())


def test_the_files_differ_in_what_they_are_named_for(matrix: dict[str, Path]) -> None:
    """Otherwise the other readers were asked the same question many times."""
    codecs = {name: first_column(path).compression for name, path in matrix.items()}
    assert all(name.startswith(f"{codec.lower()}-") for name, codec in codecs.items())
    delta = {
        name
        for name, path in matrix.items()
        if "DELTA_BINARY_PACKED" in first_column(path).encodings
    }
    assert delta == {name for name in NAMES if name.endswith("-delta")}
    used = {name.split("-")[1]: dictionaries(path) for name, path in sorted(matrix.items())}
    assert used["none"] == set()
    assert used["strings"] < used["all"]
    assert {"id", "c_float64", "lo.list.element.n"} < used["all"]
    assert used["sampled"] - used["strings"]
    assert used["strings"] - used["sampled"]


def first_column(path: Path) -> pq.ColumnChunkMetaData:
    return pq.read_metadata(path).row_group(0).column(0)


def dictionaries(path: Path) -> set[str]:
    group = pq.read_metadata(path).row_group(0)
    found = (group.column(index) for index in range(group.num_columns))
    return {column.path_in_schema for column in found if column.has_dictionary_page}
