"""What `penstock run --once` runs, as a program that can be killed: nothing in it is a stand-in."""

import base64
import gzip
import json
from collections import Counter
from pathlib import Path
from random import Random

import pyarrow as pa

from penstock import ingest
from penstock.base import Failpoints
from penstock.ingest import _worker
from penstock.ingest._cycle import Cycle
from penstock.ingest._sealer import Sealer
from penstock.table import DeltaLakeTable
from tests.ingest.kills import Expected, Victim

PIPELINE = "p"
FILES_PER_PLAN = 2
_CONFIG = f"""\
pipelines:
  {PIPELINE}:
    sources: {{main: {{path: source, settle_secs: 0}}}}
    schema:
      fields:
        - {{name: file, type: string, nullable: false}}
        - {{name: line, type: int64, nullable: false}}
        - {{name: pad, type: string}}
    sink: {{table_uri: table, file_size_mb: 1, row_group_rows: 16}}
    plan: {{max_files: {FILES_PER_PLAN}}}
    error_handling: {{dlq_path: dead}}
"""
_FULL_PART = 1_200_000
pa.array([0])  # pyarrow looks for pandas at its first array: paid here, not in every forked program


def make_source(root: Path, random: Random, files: int) -> Expected:
    """Gzipped NDJSON with bad lines, several members, plans of several outputs, and one torn file."""
    expected = Expected()
    (root / "source").mkdir(parents=True)
    (root / "c.yaml").write_text(_CONFIG)
    for number in range(files):
        name = f"{random.randint(0, 999):03}-{number:03}.ndjson.gz"
        count, torn = random.randint(1, 60), number == 1
        bad = {line for line in range(2, count + 1) if random.random() < 0.03}
        # Larger than an output may be: the rows behind it start another one.
        pad = random.randbytes(_FULL_PART) if number % 3 == 0 else b""
        (root / "source" / name).write_bytes(_content(name, count, bad, pad, torn=torn))
        if torn:
            expected.letters[name, 0] += 1
            continue
        for line in range(1, count + 1):
            (expected.letters if line in bad else expected.rows)[name, line] += 1
    return expected


def _content(name: str, count: int, bad: set[int], pad: bytes, *, torn: bool) -> bytes:
    lines = [
        b"{not json\n" if line in bad else _line(name, line, pad if line == 1 else b"")
        for line in range(1, count + 1)
    ]
    middle = count // 2
    members = [gzip.compress(b"".join(part), 0) for part in (lines[:middle], lines[middle:])]
    whole = b"".join(members)
    return whole[: -len(members[1]) // 2] if torn else whole


def _line(name: str, line: int, pad: bytes) -> bytes:
    row = {"file": name, "line": line, "pad": base64.b64encode(pad).decode()}
    return json.dumps(row).encode() + b"\n"


def stored(root: Path) -> Expected:
    """What is in the table, and what the product says is in the dead letters."""
    rows = DeltaLakeTable(str(root / "table")).rows(["file", "line"])
    keys = zip(*(rows.column(name).to_pylist() for name in ("file", "line")), strict=True)
    letters = ingest.dead_letters(root / "c.yaml")
    return Expected(Counter(keys), Counter((letter.name, letter.line) for letter in letters))


def run_once(root: Path, failpoints: Failpoints) -> None:
    """Everything that is there."""
    report = ingest.run(root / "c.yaml", failpoints=failpoints)
    assert report.exit_code == 0, report.pipelines[0].message


class UnsealedSealer(Sealer):
    """A planted fault: what a plan came to is not written down."""

    def seal(self, entry, produced):
        store, self._store = self._store, _Forgetful()
        try:
            return super().seal(entry, produced)
        finally:
            self._store = store


class _Forgetful:
    def put_if_absent(self, key: str, data: bytes) -> bool:
        return True


class HastyCycle(Cycle):
    """A planted fault: a plan is acknowledged before it is committed."""

    def _settle(self, entry):
        self._failpoints.cross("ack.before")
        kept = self._ledger.open_plans
        self._ledger.acknowledged(entry)
        self._failpoints.cross("ack.after")
        self._ledger._open.update({plan.plan.seq: plan for plan in kept})
        return super()._settle(entry)


def run_unsealed(root: Path, failpoints: Failpoints) -> None:
    """`run_once` without seals."""
    _worker.Sealer = UnsealedSealer  # type: ignore[misc]  # in a process that ends with this run
    run_once(root, failpoints)


def run_hasty(root: Path, failpoints: Failpoints) -> None:
    """`run_once` with acknowledgements before commits."""
    _worker.Cycle = HastyCycle  # type: ignore[misc]  # in a process that ends with this run
    run_once(root, failpoints)


VICTIM = Victim(
    target="whole_pipeline:run_once",
    pipeline=PIPELINE,
    points={
        "plan.before": 2,
        "plan.written": 2,
        "output.stored": 4,  # after some of a plan's outputs, and after all of them
        "letters.stored": 1,
        "seal.before": 2,
        "seal.written": 2,
        "commit.before": 2,
        "commit.after": 2,
        "ack.before": 2,
        "ack.after": 2,
    },
    files_per_plan=FILES_PER_PLAN,
    prepare=make_source,
    stored=stored,
)
