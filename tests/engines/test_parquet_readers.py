"""What we write, lakes read: every codec and encoding, every declared type, in Spark and Trino."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.conftest import set_by_make_engines
from tests.engines.sql_readers import SparkReader, SqlReader, TrinoReader
from tests.engines.typed_tables import EXPECTED, write_checkpointed, write_tables
from tests.ingest.parquet_matrix import SCHEMA, settings
from tools.engines.sql_client import SqlError

pytestmark = pytest.mark.timeout(300)  # the first question to an engine is asked of cold code

SETTINGS = dict(settings())
ENGINES = [pytest.param(name, marks=pytest.mark.engine(name)) for name in ("spark", "trino")]


@pytest.fixture(scope="module")
def reader(request: pytest.FixtureRequest) -> SqlReader:
    if request.param == "spark":
        return SparkReader(set_by_make_engines("PENSTOCK_SPARK"))
    return TrinoReader(set_by_make_engines("PENSTOCK_TRINO"))


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_tables(tmp_path_factory.mktemp("tables"), SETTINGS)


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("reader", ENGINES, indirect=True)
def test_each_setting_is_read_as_it_was_written_or_refused(
    reader: SqlReader, name: str, tables: dict[str, Path]
) -> None:
    """Values and nulls alike, to the last digit that the engine has; -0.0 is not 0.0."""
    if SETTINGS[name].codec in reader.refused_codecs:
        with pytest.raises(SqlError, match=r"Could not decompress|Error reading dictionary page"):
            reader.rows(tables[name], SCHEMA)
    else:
        assert repr(reader.rows(tables[name], SCHEMA)) == repr(seen_by(reader, EXPECTED))


@pytest.mark.parametrize("reader", ENGINES, indirect=True)
def test_rows_that_only_the_checkpoint_knows_are_read(reader: SqlReader, tmp_path: Path) -> None:
    """And those of the commits behind it."""
    table = write_checkpointed(tmp_path)

    assert repr(reader.rows(table, SCHEMA)) == repr(seen_by(reader, EXPECTED[:52]))


def seen_by(reader: SqlReader, value: Any) -> Any:
    """Rows as they were written, with the timestamps that the engine can have, in Python's own UTC."""
    if isinstance(value, dict):
        return {key: seen_by(reader, item) for key, item in value.items()}
    if isinstance(value, list):
        return [seen_by(reader, item) for item in value]
    return reader.instant(value.astimezone(UTC)) if isinstance(value, datetime) else value


@pytest.mark.slow
def test_a_table_has_the_setting_that_it_is_named_for(tmp_path: Path) -> None:
    """Otherwise the engines would be asked the same question many times."""
    names = ["zstd-strings-plain", "gzip-none-delta", "lz4-sampled-plain"]

    tables = write_tables(tmp_path, {name: SETTINGS[name] for name in names})

    assert [setting_of(table) for table in tables.values()] == [
        ("ZSTD", {"key", "c_string"}, False),
        ("GZIP", set(), True),
        ("LZ4", {"c_string"}, False),
    ]


def setting_of(table: Path) -> tuple[str, set[str], bool]:
    """The codec, some columns with a dictionary, and whether `id` is delta encoded."""
    (file,) = table.glob("*.parquet")
    group = pq.read_metadata(file).row_group(0)
    found = [group.column(index) for index in range(group.num_columns)]
    dictionaries = {column.path_in_schema for column in found if column.has_dictionary_page}
    delta = "DELTA_BINARY_PACKED" in found[0].encodings
    return found[0].compression, dictionaries & {"id", "key", "c_string"}, delta
