"""The Delta table and its fake keep the same promises."""

import shutil
import threading
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from penstock.table import (
    DeltaLakeTable,
    SchemaError,
    TableMissingError,
    TableUnavailableError,
)
from penstock.testing import MemoryTable, TableConformance

SCHEMA = pa.schema([pa.field("id", pa.int64(), nullable=False), pa.field("name", pa.string())])


@pytest.fixture
def delta(tmp_path: Path) -> DeltaLakeTable:
    table = DeltaLakeTable(str(tmp_path / "table"))
    table.create(SCHEMA)
    return table


class TestMemory(TableConformance):
    @pytest.fixture
    def table(self) -> MemoryTable:
        return MemoryTable()


class TestDelta(TableConformance):
    @pytest.fixture
    def table(self, delta: DeltaLakeTable) -> DeltaLakeTable:
        return delta


def test_creating_a_table_that_is_there_changes_nothing(delta: DeltaLakeTable) -> None:
    """Every start of a pipeline does this."""
    before = delta.snapshot()

    delta.create(SCHEMA)

    after = delta.snapshot()
    assert (after.table_id, after.version) == (before.table_id, 0)


@pytest.mark.case("k19")
@pytest.mark.parametrize("attempt", range(12))
def test_rivals_make_one_table(tmp_path: Path, attempt: int) -> None:
    """Two processes started at once on a new table; a retried creation would give it a second id."""
    url, ids = str(tmp_path / f"table-{attempt}"), []
    barrier = threading.Barrier(4)

    def rival() -> None:
        table = DeltaLakeTable(url)
        barrier.wait()
        table.create(SCHEMA)
        ids.append(table.snapshot().table_id)

    threads = [threading.Thread(target=rival) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(ids) == 4
    assert len(set(ids)) == 1


@pytest.mark.case("k21")
def test_a_table_with_other_columns_is_refused_with_all_differences(delta: DeltaLakeTable) -> None:
    """deltalake itself takes any file for any table."""
    other = pa.schema([("id", pa.string()), ("new", pa.string())])

    with pytest.raises(SchemaError) as caught:
        delta.create(other)

    assert len(caught.value.differences) == 2
    assert "'id'" in str(caught.value)
    assert "'new'" in str(caught.value)


@pytest.mark.case("k19")
@pytest.mark.parametrize("obstacle", ["table", "table/_delta_log"])
def test_a_table_that_cannot_be_made_now_is_unavailable_and_not_missing(
    tmp_path: Path, obstacle: str
) -> None:
    """As on a full disk: whoever asks waits, and the reason is what went wrong with the making."""
    path = tmp_path / obstacle
    path.parent.mkdir(exist_ok=True)
    path.write_text("not a directory")
    table = DeltaLakeTable(str(tmp_path / "table"))

    with pytest.raises(TableUnavailableError, match=r"File exists|Not a directory"):
        table.create(SCHEMA)
    path.unlink()
    table.create(SCHEMA)

    assert table.snapshot().version == 0


@pytest.mark.case("k19")
def test_a_table_made_anew_has_another_id(delta: DeltaLakeTable) -> None:
    """So that nobody goes on as if its numbers were the old table's."""
    before = delta.snapshot().table_id
    shutil.rmtree(delta.url)

    with pytest.raises(TableMissingError):
        delta.snapshot()
    delta.create(SCHEMA)

    assert delta.snapshot().table_id != before


def test_rows_are_those_of_the_files_in_the_table(delta: DeltaLakeTable) -> None:
    """Also those that another writer added."""
    write_deltalake(
        delta.url, pa.table({"id": [1, 2], "name": ["a", None]}, schema=SCHEMA), mode="append"
    )

    assert delta.rows(["id"]).column("id").to_pylist() == [1, 2]
