"""What we write, lakes read: every codec and encoding, every declared type, in Spark and Trino."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import set_by_make_engines
from tests.engines.sql_readers import SparkReader, SqlReader, TrinoReader
from tests.engines.typed_tables import EXPECTED, write_checkpointed, write_tables
from tests.ingest.parquet_matrix import SCHEMA, settings
from tools.engines.sql_client import SqlError

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
