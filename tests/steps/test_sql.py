"""Steps of type `sql`: values bound, rows into tables once, faults by their class."""

from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from penstock.steps import SqlExecutor, check_duckdb
from penstock.steps._sql_text import parse_query
from penstock.workflow import executor
from tests.steps.attempts import attempt, place, work

pytestmark = pytest.mark.slow


def rows(path: Path) -> list[dict[str, Any]]:
    found = DeltaTable(str(path)).to_pyarrow_table().to_pylist()
    return sorted(found, key=lambda row: tuple(map(str, row.values())))


def run(path: Path, text: str, **options: Any) -> executor.Observation:
    return attempt(SqlExecutor(place(path)), work("sql", text=text, **options))


def test_rows_are_appended_once_however_often_the_step_is_tried(tmp_path: Path) -> None:
    """The table remembers the work's key: a crash after the commit doubles nothing."""
    table = str(tmp_path / "t")
    for _ in range(2):
        seen = run(tmp_path, "SELECT 1 AS a UNION ALL SELECT 2", write={"table": table})

    assert (seen.result["rows"], seen.result["version"]) == (2, 0)
    assert rows(tmp_path / "t") == [{"a": 1}, {"a": 2}]


def test_partitions_are_replaced_and_others_left_alone(tmp_path: Path) -> None:
    write = {"table": str(tmp_path / "t"), "mode": "overwrite-partition", "partition_by": ["day"]}
    run(tmp_path, "SELECT 'mon' AS day, 1 AS n UNION ALL SELECT 'tue', 2", write=write)
    for _ in range(2):
        run(tmp_path, "SELECT 'tue' AS day, 7 AS n UNION ALL SELECT 'tue', 8", write=write)

    found = [(row["day"], row["n"]) for row in rows(tmp_path / "t")]
    assert sorted(found) == [("mon", 1), ("tue", 7), ("tue", 8)]


def test_rows_are_merged_by_their_keys(tmp_path: Path) -> None:
    write = {"table": str(tmp_path / "t"), "mode": "merge", "keys": ["id"]}
    run(tmp_path, "SELECT 1 AS id, 'a' AS v UNION ALL SELECT 2, 'b'", write=write)
    run(tmp_path, "SELECT 2 AS id, 'B' AS v UNION ALL SELECT 3, 'c'", write=write)

    assert [tuple(row.values()) for row in rows(tmp_path / "t")] == [(1, "a"), (2, "B"), (3, "c")]


def test_values_are_bound_and_delta_tables_read(tmp_path: Path) -> None:
    """What is in a value stays a value."""
    run(tmp_path, "SELECT :v AS v", bind={"v": "x'); --"}, write={"table": str(tmp_path / "t")})

    seen = run(
        tmp_path,
        f"SELECT count(*) FROM delta_scan('{tmp_path}/t') WHERE v = :v AND ':no' <> ''::VARCHAR",
        bind={"v": "x'); --", "unused": 1},
    )

    assert seen.result == {"rows": 1}
    assert rows(tmp_path / "t") == [{"v": "x'); --"}]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("SELECT * FROM nowhere", "config"),
        ("SELECT :missing", "config"),
        ("SELECT 'x'::INTEGER", "data"),
    ],
)
def test_a_query_that_fails_says_why(tmp_path: Path, text: str, error: str) -> None:
    """None of these is worth another attempt."""
    seen = run(tmp_path, text)

    assert seen.failure is not None
    assert seen.failure.error == error


def test_parameters_are_found_where_they_are() -> None:
    """Not in strings, quoted names, comments or casts."""
    query = parse_query("SELECT :a, ':b', \":c\", x::INT -- :d\n /* :e */ FROM delta_scan('it''s')")

    assert query.names == ("a",)
    assert query.tables == {"penstock_delta_0": "it's"}
    assert "$a, ':b'" in query.text


def test_what_does_not_parse_is_named_with_its_place() -> None:
    (problem,) = check_duckdb("SELECT 1;\nSELECT FROM WHERE")

    assert (problem.line, problem.column) == (2, 13)
    assert check_duckdb("SELECT :a FROM t") == []
