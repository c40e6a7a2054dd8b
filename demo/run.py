"""The demo: real flights into a lake table, with a kill half-way, and counts that add up."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import duckdb
from deltalake import DeltaTable

from demo.books import BooksError, show_books
from demo.make_data import FILES, Truth, make_data
from demo.steps import StepsError, run_day

HERE = Path.cwd()
FOLDER = HERE / "demo-data"
CONFIG = FOLDER / "flights.yaml"
TABLE = FOLDER / "lake" / "flights"
PENSTOCK = Path(sys.executable).with_name("penstock")

FILES_PER_PLAN = 4
_LIMIT_S = 120.0
_SHOW_CURSOR = "\033[?25h"  # a program that is killed cannot bring it back itself

_CONFIG = """\
pipelines:
  flights:
    sources:
      main: {path: flights, compression: gzip}
    schema:
      fields:
        - {name: time_hour, type: timestamp, nullable: false}
        - {name: carrier, type: string, nullable: false}
        - {name: flight, type: int64, nullable: false}
        - {name: tailnum, type: string}
        - {name: origin, type: string, nullable: false}
        - {name: dest, type: string, nullable: false}
        - {name: dep_delay, type: float64}
        - {name: arr_delay, type: float64}
        - {name: air_time, type: float64}
        - {name: distance, type: float64}
        - {name: year, type: int32}
        - {name: month, type: int32}
        - {name: day, type: int32}
        - {name: hour, type: int32}
        - {name: minute, type: int32}
        - {name: dep_time, type: int32}
        - {name: sched_dep_time, type: int32}
        - {name: arr_time, type: int32}
        - {name: sched_arr_time, type: int32}
    sink: {table_uri: lake/flights, compression: zstd}
    plan: {max_files: 4}
    error_handling: {dlq_path: dlq, max_failures: 0, bad_lines: row}
"""

_QUESTION = """\
SELECT carrier, count(*) AS flights, round(avg(dep_delay), 1) AS mean_delay,
       round(100.0 * avg((dep_delay > 60)::int), 1) AS percent_over_an_hour
FROM flights WHERE dep_delay IS NOT NULL
GROUP BY carrier ORDER BY mean_delay DESC LIMIT 5
"""


class DemoError(Exception):
    """Something did not come out as the demo says; the text says what."""


def main() -> None:
    """Run the demo from a clean folder."""
    say(f"1. {FILES} gzipped files of real flights, some lines damaged, one upload cut short")
    truth = prepare()
    print(f"   {truth.flights:,} flights in {FOLDER.name}/flights", flush=True)
    say("2. Ingest them in plans of four files, and kill -9 the process half-way")
    kill_after(FILES // FILES_PER_PLAN // 2)
    before = rows_in_table()
    print(f"   kill -9: the table is whole, and holds {before:,} rows")
    say("3. Run the same command again: it goes on where the table says")
    reported = finish()
    say("4. Every flight is accounted for")
    check(truth, before, reported)
    say("5. A question to the table: which airlines left New York latest in 2013?")
    ask()
    say(
        "6. A pipeline of steps over that table: check the day, sum it up in SQL, publish it; and again"
    )
    run_day(FOLDER, PENSTOCK, shown=shown(str(FOLDER)))
    say("7. A board: encrypted books through five filters, one archive damaged and one missing")
    show_books(FOLDER / "books")
    say("Where to look next")
    where_next()


def prepare() -> Truth:
    """An empty folder with the data and the configuration."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    truth = make_data(FOLDER / "flights")
    CONFIG.write_text(_CONFIG, encoding="utf-8")
    return truth


def kill_after(commits: int) -> None:
    """Start the ingestion, and send SIGKILL when the table's log shows that many commits with rows."""
    with subprocess.Popen(ingestion()) as child:
        deadline = time.monotonic() + _LIMIT_S
        while commits_in_table() < commits:
            if child.poll() is not None:
                raise DemoError(f"the ingestion ended too early, with code {child.returncode}")
            if time.monotonic() > deadline:
                child.kill()
                raise DemoError(f"no {commits} commits within {_LIMIT_S:g} s")
            time.sleep(0.01)
        child.send_signal(signal.SIGKILL)
        child.wait()
    print(_SHOW_CURSOR if sys.stdout.isatty() else "", flush=True)


def commits_in_table() -> int:
    """Commits that added files; the log's names alone are looked at, so that asking costs nothing."""
    log = TABLE / "_delta_log"
    return max(0, len(list(log.glob("*.json"))) - 1)  # version 0 only makes the table


def rows_in_table() -> int:
    """What any reader of the table counts."""
    return int(DeltaTable(TABLE).to_pyarrow_dataset().count_rows())


def ingestion() -> list[str]:
    """The command that is run twice, and shown each time. Where nobody watches live, its log is for people."""
    options = ["--once"] if sys.stderr.isatty() else ["--once", "--log-format", "text"]
    print(f"   $ penstock run {' '.join(options)} {shown(str(CONFIG))}", flush=True)
    return [str(PENSTOCK), "run", *options, str(CONFIG)]


def finish() -> int:
    """Run the ingestion to its end before the user's eyes; the rows that it reports."""
    done = subprocess.run(ingestion(), check=False, stdout=subprocess.PIPE, encoding="utf-8")
    print(done.stdout, end="", flush=True)
    if done.returncode:
        raise DemoError(f"the ingestion ended with code {done.returncode}")
    titles, figures = (line.split() for line in done.stdout.splitlines())
    return int(dict(zip(titles, figures, strict=True))["RECORDS"].replace(",", ""))


def answer(*arguments: str) -> Any:
    """What a command prints as JSON."""
    command = [str(PENSTOCK), *arguments, "--output", "json"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def check(truth: Truth, before: int, reported: int) -> None:
    """Print the sum, and fail if it is not right to the last flight."""
    rows = rows_in_table()
    letters = answer("dlq", "ls", str(CONFIG))
    lines = sum(1 for letter in letters if letter["line"])
    files = len(letters) - lines
    print(f"   {before:>9,} rows were in the table at the kill")
    print(f"   {rows - before:>9,} rows have come since")
    print(f"   {lines:>9,} damaged lines: dead letters")
    print(f"   {truth.lost_flights:>9,} flights in {files} file cut short: no row, one dead letter")
    print(f"   {'-' * 9}")
    print(f"   {rows + lines + truth.lost_flights:>9,} in all, of {truth.flights:,} flights")
    if again := reported - (rows - before):
        print(f"   ({again:,} of the {reported:,} rows that the second run reports were committed")
        print("   just before the kill: it found them in the table, and did not write them again)")
    found = (rows, lines, files)
    if found != (truth.rows, truth.bad_lines, truth.truncated_files):
        raise DemoError(f"the counts do not add up: {found} against {truth}")


def ask() -> None:
    """Ask DuckDB over the finished table."""
    with duckdb.connect() as database:
        database.register("flights", DeltaTable(TABLE).to_pyarrow_dataset())
        answers = database.execute(_QUESTION).fetchall()
    print("   carrier  flights  mean delay  over an hour late")
    for carrier, flights, delay, share in answers:
        print(f"   {carrier:<7}  {flights:>7,}  {delay:>6.1f} min  {share:>15.1f} %")


def where_next() -> None:
    """The commands that show what has happened."""
    config = shown(str(CONFIG))
    places = {
        f".venv/bin/penstock files {config}": "the state of every file",
        f".venv/bin/penstock dlq ls {config}": "what was wrong with which line",
        f"{shown(str(TABLE))}/_delta_log": "the table's own log",
        "docs/tutorial/first-ingestion.md": "the same, step by step",
        f"ls {shown(str(FOLDER))}/books/pipeline/*": "the board, as it stands",
        "docs/guides/run-a-board.md": "boards",
        "docs/guides/run-pipelines.md": "pipelines of steps",
    }
    for place, what in places.items():
        print(f"   {place:<50} {what}")


def shown(argument: str) -> str:
    """A path as one would type it here."""
    return argument.removeprefix(f"{HERE}/")


def say(sentence: str) -> None:
    """A heading."""
    print(f"\n\033[1m{sentence}\033[0m" if sys.stdout.isatty() else f"\n{sentence}", flush=True)


if __name__ == "__main__":
    try:
        main()
    except (BooksError, DemoError, StepsError) as error:
        sys.exit(f"demo: {error}")
