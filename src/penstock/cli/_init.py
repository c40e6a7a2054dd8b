"""`penstock init`: something that works, to be changed into what one needs."""

import gzip
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from penstock.base import PenstockError
from penstock.cli._exits import DONE
from penstock.cli._output import Output
from penstock.cli._printing import print_json

CONFIG_NAME = "penstock.yaml"
_INBOX = Path("data") / "inbox"
_DAYS = 3
_STATIONS = ("upper lake", "intake", "surge tank", "turbine hall")
_START = datetime(2026, 1, 1, tzinfo=UTC)

_CONFIG = f"""\
# Files that appear in {_INBOX.as_posix()} become rows of the Delta table data/lake/readings, each exactly once.
# Paths are relative to this file. Values may hold ${{NAME}}, ${{NAME:-default}}, ${{file:PATH}}, ${{cmd:COMMAND}}.
global: {{poll_jitter_secs: 0}}
# metrics: {{address: "127.0.0.1:9090"}}       # serves /metrics, /livez and /readyz
pipelines:
  readings:
    sources:
      main: {{path: {_INBOX.as_posix()}, poll_interval_secs: 2}}
    schema:
      fields:       # string int32 int64 float32 float64 boolean timestamp date json binary; list<T>; struct with fields
        - {{name: station, type: string, nullable: false}}
        - {{name: at, type: timestamp, nullable: false}}
        - {{name: level_m, type: float64}}
        - {{name: gates_open, type: int32}}
        - {{name: remark, type: string}}
    sink: {{table_uri: data/lake/readings, compression: zstd}}
    plan: {{max_files: 1000, max_bytes: 2GiB, max_age: 2s}}           # one plan is one commit
    error_handling: {{dlq_path: data/dlq, max_failures: 0, bad_lines: row}}
"""


@dataclass(eq=False)
class AlreadyThereError(PenstockError):
    """A file that `init` would write exists; nothing was written."""

    path: Path

    def __str__(self) -> str:
        return f"{self.path} exists and is left alone; name another directory: penstock init DIR"


def command(*, directory: Path, output: Output) -> int:
    """Write the configuration and the data, unless one of the files is there."""
    files = {directory / CONFIG_NAME: _CONFIG.encode()}
    files |= {directory / _INBOX / f"{day:%Y-%m-%d}.ndjson.gz": _day(day) for day in _days()}
    for path in files:
        if path.exists():
            raise AlreadyThereError(path)
    for path, content in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    config = directory / CONFIG_NAME
    if output is Output.JSON:
        print_json({"config": config, "files": list(files)})
    else:
        sys.stdout.write("".join(f"wrote {path}\n" for path in files))
        sys.stdout.write(f"next: penstock run --once {config}\n")
    return DONE


def _days() -> Iterator[datetime]:
    return (_START + timedelta(days=day) for day in range(_DAYS))


def _day(day: datetime) -> bytes:
    """One day of readings, every quarter of an hour: the same bytes whenever it is called."""
    lines = [
        json.dumps(_reading(station, number, day + timedelta(minutes=15 * number)))
        for number in range(96)
        for station in range(len(_STATIONS))
    ]
    return gzip.compress("".join(line + "\n" for line in lines).encode(), mtime=0)


def _reading(station: int, number: int, at: datetime) -> dict[str, object]:
    swing = abs(number - 48) / 48
    return {
        "station": _STATIONS[station],
        "at": at.isoformat().replace("+00:00", "Z"),
        "level_m": round(12.5 - 2.75 * station + swing, 3),
        "gates_open": None if station else number % 5,
    }
