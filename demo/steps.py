"""The part of the demo that runs a pipeline of steps over the table that was ingested."""

import json
import subprocess
import sys
from pathlib import Path

import duckdb
from deltalake import DeltaTable

DAY = "2013-07-01"
STEPS = ("arrived", "sums", "publish")

_DEFINITION = """\
apiVersion: pipelines/v1
kind: Pipeline
metadata: {name: daily-flights}
spec:
  parameters:
    day: {type: string}
  steps:
    arrived:
      sql:
        text: |
          SELECT CASE WHEN count(*) = 0 THEN error('there are no flights on ' || :day) END
          FROM delta_scan('lake/flights') WHERE time_hour::DATE = :day::DATE
        bind: {day: "${{ params.day }}"}
    sums:
      needs: [arrived]
      sql:
        text: |
          SELECT :day AS day, origin, count(*) AS flights, round(avg(dep_delay), 1) AS mean_delay
          FROM delta_scan('lake/flights') WHERE time_hour::DATE = :day::DATE GROUP BY origin
        bind: {day: "${{ params.day }}"}
        write: {table: lake/daily_flights, mode: overwrite-partition, partition_by: [day]}
    publish:
      needs: [sums]
      shell:
        command: 'mkdir -p published && echo "{\\"day\\": \\"$DAY\\", \\"airports\\": $AIRPORTS}" | tee "published/$DAY.json"'
        env: {DAY: "${{ params.day }}", AIRPORTS: "${{ steps.sums.outputs.rows }}"}
        result: json
"""


class StepsError(Exception):
    """The pipeline did not do what the demo says; the text says what."""


def run_day(folder: Path, penstock: Path, *, shown: str) -> None:
    """Run the pipeline for one day, twice: the second time replaces what the first one wrote.

    Args:
        folder: Where `lake/flights` is.
        penstock: The command.
        shown: The folder as one would type it.

    Raises:
        StepsError: A step did not succeed, or what was published is not right.
    """
    (folder / "daily.yaml").write_text(_DEFINITION, encoding="utf-8")
    for _ in range(2):
        print(f"   $ penstock pipeline run {shown}/daily.yaml --param day={DAY}", flush=True)
        command = [str(penstock), "pipeline", "run", str(folder / "daily.yaml")]
        done = subprocess.run(
            [*command, "--param", f"day={DAY}", "--output", "json"],
            check=False,
            stdout=subprocess.PIPE,
            stderr=sys.stderr,
        )
        (run,) = json.loads(done.stdout or b"[{}]")
        states = {step["step"]: step["state"] for step in run.get("steps", ())}
        if states != dict.fromkeys(STEPS, "SUCCEEDED"):
            raise StepsError(f"expected three steps that succeeded, got {states}")
    published = json.loads((folder / "published" / f"{DAY}.json").read_text(encoding="utf-8"))
    if published != {"day": DAY, "airports": 3}:
        raise StepsError(f"expected three airports, got {published}")
    flights = _require_whole(folder)
    print(
        f"   {' -> '.join(STEPS)}: {flights} flights from {published['airports']} airports on {DAY}"
    )


def _require_whole(folder: Path) -> int:
    """The flights of the day, which must be the same in both tables."""
    with duckdb.connect() as database:
        for name in ("flights", "daily_flights"):
            table = DeltaTable(folder / "lake" / name)
            database.register(name, table.to_pyarrow_dataset())
        there = database.execute(
            "SELECT count(*) FROM flights WHERE time_hour::DATE = $day::DATE", {"day": DAY}
        ).fetchone()
        summed = database.execute(
            "SELECT sum(flights)::BIGINT FROM daily_flights WHERE day = $day", {"day": DAY}
        ).fetchone()
    if there is None or there != summed:
        raise StepsError(f"the day has {there} flights in the table, and {summed} in its sums")
    return int(there[0])
