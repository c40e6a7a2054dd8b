"""Steps of type `sql` on an object store: files and Delta tables, read and written."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen
from uuid import uuid4

import pytest
from deltalake import DeltaTable

from penstock.steps import SqlExecutor
from penstock.workflow import executor
from tests.engines.conftest import make_bucket
from tests.small_s3 import small_s3
from tests.steps.attempts import attempt, place, work


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with small_s3() as endpoint:
        yield endpoint


@dataclass(frozen=True)
class Lake:
    """A bucket, and queries over it."""

    url: str
    options: dict[str, str]
    path: Path

    def run(self, text: str, **action: Any) -> executor.Observation:
        """Run a query whose `{lake}` is the bucket, with the options in the definition."""
        asked = work("sql", text=text.format(lake=self.url), storage_options=self.options, **action)
        return attempt(SqlExecutor(place(self.path)), asked)

    def rows(self, table: str) -> list[tuple[Any, ...]]:
        opened = DeltaTable(f"{self.url}/{table}", storage_options=self.options)
        return sorted(tuple(row.values()) for row in opened.to_pyarrow_table().to_pylist())


@pytest.fixture(
    params=[
        pytest.param("small", marks=pytest.mark.slow),
        pytest.param("real", marks=pytest.mark.engine("s3")),
    ]
)
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Lake:
    if request.param == "real":
        server = request.getfixturevalue("s3_server")
        return Lake(f"s3://{make_bucket(server)}", server.storage_options, tmp_path)
    url, bucket = request.getfixturevalue("endpoint"), f"test-{uuid4().hex}"
    urlopen(Request(f"{url}/{bucket}", method="PUT")).close()
    options = {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "a secret",
        "AWS_REGION": "us-east-1",
        "AWS_ALLOW_HTTP": "true",
    }
    return Lake(f"s3://{bucket}", options, tmp_path)


def test_files_are_read_and_written_where_objects_are(lake: Lake) -> None:
    """Parquet by a pattern, and CSV; DuckDB needs no extension of its own for it."""
    for part in (1, 2):
        copied = lake.run(
            "COPY (SELECT range AS n FROM range(1000)) TO '{lake}/in/" + f"{part}.parquet'"
        )
        assert copied.failure is None
    lake.run("COPY (SELECT 5 AS n) TO '{lake}/in/5.csv' (HEADER)")

    seen = lake.run(
        "SELECT sum(n)::BIGINT AS n FROM read_parquet('{lake}/in/*.parquet')"
        " UNION ALL SELECT n FROM read_csv('{lake}/in/5.csv')",
        write={"table": f"{lake.url}/out"},
    )

    assert seen.failure is None, seen.failure
    assert seen.result["rows"] == 2
    assert lake.rows("out") == [(5,), (999_000,)]


def test_rows_are_appended_once_to_a_table_among_objects(lake: Lake) -> None:
    for _ in range(2):
        seen = lake.run("SELECT :n AS n", bind={"n": 7}, write={"table": f"{lake.url}/t"})

    assert seen.result == {"rows": 1, "table": f"{lake.url}/t", "version": 0}
    assert lake.rows("t") == [(7,)]


def test_partitions_are_replaced_in_a_table_among_objects(lake: Lake) -> None:
    write = {"table": f"{lake.url}/t", "mode": "overwrite-partition", "partition_by": ["day"]}
    lake.run("SELECT 'mon' AS day, 1 AS n UNION ALL SELECT 'tue', 2", write=write)
    lake.run("SELECT 'tue' AS day, 7 AS n", write=write)

    assert sorted(lake.rows("t")) in ([("mon", 1), ("tue", 7)], [(1, "mon"), (7, "tue")])


def test_rows_are_merged_into_a_table_among_objects(lake: Lake) -> None:
    """What is merged comes from another table there."""
    write = {"table": f"{lake.url}/t", "mode": "merge", "keys": ["id"]}
    lake.run("SELECT 'a' AS id, 'old' AS v UNION ALL SELECT 'b', 'old'", write=write)
    lake.run("SELECT 'b' AS id, 'new' AS v", write={"table": f"{lake.url}/new"})

    seen = lake.run("SELECT * FROM delta_scan('{lake}/new') WHERE v = 'new'", write=write)

    assert seen.failure is None
    assert lake.rows("t") == [("a", "old"), ("b", "new")]


def test_credentials_are_nowhere_on_the_disk(lake: Lake) -> None:
    """What an attempt leaves behind is read by more people than may read the store."""
    lake.run("SELECT 1 AS n", write={"table": f"{lake.url}/t"})

    kept = [path.read_bytes() for path in lake.path.rglob("*") if path.is_file()]
    assert kept
    assert not any(lake.options["AWS_SECRET_ACCESS_KEY"].encode() in text for text in kept)


def test_a_store_that_is_not_there_is_worth_another_attempt(lake: Lake) -> None:
    """Nobody listens at that address."""
    gone = Lake(lake.url, {**lake.options, "AWS_ENDPOINT_URL": "http://localhost:9"}, lake.path)
    gone.options.update({"max_retries": "0", "retry_timeout": "1s"})

    seen = gone.run("SELECT 1 AS n", write={"table": f"{lake.url}/t"})

    assert seen.failure is not None
    assert seen.failure.error == "transient"
