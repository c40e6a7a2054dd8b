"""The two data sets: *flat* (real flights, shifted in time) and *nested* (generated events)."""

import gzip
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from demo.make_data import flights_csv

FOLDER = Path(__file__).resolve().parent / ".data"
SETS = ("flat", "nested")

FLAT_FILES = 27
FLAT_COPIES = 9
NESTED_FILES = 40
NESTED_ROWS = 2_150_000
_LEVEL = 6
_FOUR = 4
_CHUNK = 1 << 20


@dataclass(frozen=True)
class DataSet:
    """Gzipped NDJSON files with one schema."""

    name: str
    files: tuple[Path, ...]
    rows: int
    plain_bytes: int
    """Size of all files, decompressed."""

    def describe(self) -> str:
        """Size and shape in one line."""
        return f"{self.plain_bytes / 1e6:,.0f} MB of NDJSON, {self.rows:,} rows, {len(self.files)} gzip files"


def data_set(name: str, scale: float = 1.0, *, folder: Path = FOLDER) -> DataSet:
    """The named data set, generated on the first call; the same bytes every time.

    Args:
        name: `flat` or `nested`.
        scale: Share of the full size, above 0 and at most 1.
        folder: Where the data sets are kept.
    """
    folder = folder / f"{name}-{scale:g}"
    # Beside the folder: in it, it would be one more source file, with a dead letter at each run.
    done = folder.with_name(f"{folder.name}.complete")
    if not done.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        make = {"flat": _make_flat, "nested": _make_nested}[name]
        done.write_text("{} {}".format(*make(folder, scale)), encoding="utf-8")
    rows, plain_bytes = map(int, done.read_text(encoding="utf-8").split())
    return DataSet(name, tuple(sorted(folder.glob("*.ndjson.gz"))), rows, plain_bytes)


def four_times(data: DataSet, folder: Path, *, larger: bool) -> DataSet:
    """A data set four times as big, in an empty folder.

    Args:
        data: What is repeated.
        folder: Where the files are put.
        larger: Files four times as large, of four gzip members each; else four times as many.
    """
    for source in data.files:
        if larger:
            with (folder / source.name).open("wb") as target:
                for _ in range(_FOUR):
                    target.write(source.read_bytes())
        else:
            for number in range(_FOUR):
                (folder / f"{number}-{source.name}").hardlink_to(source)
    files = tuple(sorted(folder.glob("*.gz")))
    return replace(data, files=files, rows=_FOUR * data.rows, plain_bytes=_FOUR * data.plain_bytes)


def _make_flat(folder: Path, scale: float) -> tuple[int, int]:
    """The flights nine times over, each copy a year later; a third of a copy per file."""
    with duckdb.connect() as database, flights_csv() as source:
        database.execute("SET threads = 1")
        database.execute(
            "CREATE TABLE flights AS SELECT row_number() OVER () - 1 AS place, * FROM read_csv(?, nullstr = ['NA', ''])",
            [str(source)],
        )
        rows = int(336_776 * scale)
        parts = FLAT_FILES // FLAT_COPIES
        size = _write_all(folder, FLAT_FILES, lambda n: _flat_query(n, parts, rows), database)
    return rows * FLAT_COPIES, size


def _flat_query(number: int, parts: int, rows: int) -> str:
    years, part = divmod(number, parts)
    first, last = rows * part // parts, rows * (part + 1) // parts
    return f"""
        SELECT (year + {years})::int AS year, month, day, dep_time, sched_dep_time,
               dep_delay::double AS dep_delay, arr_time, sched_arr_time,
               arr_delay::double AS arr_delay, carrier, flight, tailnum, origin, dest,
               air_time::double AS air_time, distance::double AS distance, hour, minute,
               strftime(time_hour + INTERVAL {years} YEAR, '%Y-%m-%dT%H:%M:%SZ') AS time_hour
        FROM flights WHERE place >= {first} AND place < {last} ORDER BY place"""


def _make_nested(folder: Path, scale: float) -> tuple[int, int]:
    """Events with structs, lists and lists of structs; every value is a hash of its row's number."""
    rows = int(NESTED_ROWS * scale)
    with duckdb.connect() as database:
        database.execute("SET threads = 1")
        size = _write_all(folder, NESTED_FILES, lambda n: _nested_query(n, rows), database)
    return rows, size


def _nested_query(number: int, rows: int) -> str:
    first, last = rows * number // NESTED_FILES, rows * (number + 1) // NESTED_FILES
    return f"""
        WITH numbered AS (
          SELECT i, hash(i, 'a') AS a, hash(i, 'b') AS b, hash(i, 'c') AS c FROM range({first}, {last}) t(i)
        )
        SELECT format('{{:016x}}{{:016x}}', a, b) AS id,
               ['PushEvent', 'IssueEvent', 'ForkEvent', 'WatchEvent', 'ReleaseEvent'][(a % 5)::int + 1] AS type,
               strftime(make_timestamp_ms(1704067200000 + i * 250), '%Y-%m-%dT%H:%M:%S.%gZ') AS created_at,
               b % 3 != 0 AS public,
               {{'id': (b % 5000000)::bigint, 'login': format('user-{{}}', b % 5000000),
                'avatar_url': format('https://avatars.example.org/u/{{}}?v=4', b % 5000000),
                'score': (c % 100000) / 1000.0}} AS actor,
               {{'id': (c % 900000)::bigint, 'name': format('owner-{{}}/repository-{{}}', c % 7000, c % 900000)}} AS repo,
               CASE WHEN a % 4 = 0 THEN NULL ELSE {{
                 'size': (a % 20)::int,
                 'message': format('Change {{:x}}: "quoted", with a backslash \\ and é', a),
                 'labels': list_transform(range((b % 4)::bigint), lambda x: format('label-{{}}', (c % 50 + x))),
                 'commits': list_transform(range((a % 5)::bigint), lambda x: {{
                   'sha': format('{{:016x}}{{:016x}}', c, a), 'distinct': (a % 7 + x) % 2 = 0,
                   'author': {{'name': format('author {{}}', b % 90000 + x), 'commits': (x * 7)::int}},
                   'message': format('Commit {{}} of event {{}} tells what was done and why', x, i)}})
               }} END AS payload
        FROM numbered ORDER BY i"""


def _write_all(
    folder: Path,
    count: int,
    query: Callable[[int], str],
    database: duckdb.DuckDBPyConnection,
) -> int:
    """Write `count` files, two being compressed while the next is made; return their plain size."""
    with ThreadPoolExecutor(2) as pool:
        waiting = []
        for number in range(count):
            plain = folder / f"part-{number:02}.ndjson"
            database.execute(f"COPY ({query(number)}) TO '{plain}' (FORMAT json)")
            waiting.append(pool.submit(_compress, plain))
        return sum(done.result() for done in waiting)


def _compress(plain: Path) -> int:
    """Replace a file by its compressed form; return its plain size."""
    size = plain.stat().st_size
    with (
        plain.open("rb") as lines,
        plain.with_suffix(".ndjson.gz").open("wb") as output,
        gzip.GzipFile("", "wb", _LEVEL, output, mtime=0) as archive,
    ):
        shutil.copyfileobj(lines, archive, _CHUNK)
    plain.unlink()
    return size
