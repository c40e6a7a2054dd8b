"""A pipeline whose source, table and dead letters are all on S3, and what must come out of it."""

import gzip
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from penstock import ingest
from penstock.storage import ObjectStore, open_store
from penstock.table import DeltaLakeTable

FILES, LINES = 8, 40
_PROGRAM = [sys.executable, "-c", "from penstock.cli import main; main()"]


@dataclass
class S3Lake:
    """Eight files with a bad line each, one of them torn, in plans of two."""

    options: Mapping[str, str]
    """How the server is reached without anything in between."""
    bucket: str
    folder: Path
    """Local, for configurations and state."""
    rows: Counter[tuple[str, int]] = field(default_factory=Counter)
    letters: Counter[tuple[str, int]] = field(default_factory=Counter)

    def store(self, place: str) -> ObjectStore:
        return open_store(f"s3://{self.bucket}/{place}", self.options)

    def fill(self, files: int = FILES, *, first: int = 0) -> None:
        """Put files into the source, and note what they must give."""
        source = self.store("in")
        for number in range(first, first + files):
            name, torn = f"{number:03}.ndjson.gz", number == 3
            lines = [json.dumps({"file": name, "line": line + 1}) for line in range(LINES)]
            lines[number % LINES] = "{not json"
            data = gzip.compress("\n".join(lines).encode())
            source.put(name, data[:-9] if torn else data)
            if torn:
                self.letters[name, 0] += 1
                continue
            for line in range(1, LINES + 1):
                bad = line == number % LINES + 1
                (self.letters if bad else self.rows)[name, line] += 1

    def config(self, name: str = "lake", *, endpoint: str | None = None) -> Path:
        """A configuration; with a state directory of its own, as on another machine."""
        options = dict(self.options)
        if endpoint:
            options["AWS_ENDPOINT_URL"] = endpoint
        place = f"s3://{self.bucket}"
        columns = [
            {"name": "file", "type": "string", "nullable": False},
            {"name": "line", "type": "int64", "nullable": False},
        ]
        pipeline = {
            "sources": {
                "main": {
                    "path": f"{place}/in",
                    "storage_options": options,
                    "settle_secs": 0,
                    "poll_interval_secs": 1,
                }
            },
            "schema": {"fields": columns},
            "sink": {"table_uri": f"{place}/table", "storage_options": options},
            "plan": {"max_files": 2, "max_age": "1s"},
            "error_handling": {"dlq_path": f"{place}/dead", "dlq_storage_options": options},
        }
        path = self.folder / name / "lake.yaml"
        path.parent.mkdir(exist_ok=True)
        # JSON is YAML.
        path.write_text(json.dumps({"pipelines": {"lines": pipeline}}), encoding="utf-8")
        return path

    def start(self, config: Path, *options: str, **environ: str) -> "subprocess.Popen[str]":
        """`penstock run` in a process of its own, its log in a file beside the configuration."""
        with config.with_suffix(".log").open("a", encoding="utf-8") as log:
            return subprocess.Popen(
                [*_PROGRAM, "run", str(config), "--output", "json", *options],
                env={**os.environ, **environ},
                stdout=subprocess.DEVNULL,
                stderr=log,
                text=True,
            )

    def run(self, config: Path, **environ: str) -> int:
        """`penstock run --once`, to its end; the exit code."""
        return self.start(config, "--once", **environ).wait(90)

    def check(self) -> None:
        """Every good line is a row once, and every bad line and the torn file a dead letter once."""
        table = DeltaLakeTable(f"s3://{self.bucket}/table", self.options).rows(["file", "line"])
        stored = zip(*(table.column(name).to_pylist() for name in ("file", "line")), strict=True)
        letters = ingest.dead_letters(self.config("reader"))
        assert Counter(stored) == self.rows
        assert Counter((letter.name, letter.line) for letter in letters) == self.letters
