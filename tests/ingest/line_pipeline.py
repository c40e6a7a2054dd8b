"""The smallest real pipeline: gzipped NDJSON, line by line, into Parquet, on the real protocol."""

import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq

from penstock.base import Failpoints, SystemClock
from penstock.ingest._checkpointer import Checkpointer
from penstock.ingest._committer import Committer
from penstock.ingest._cycle import Cycle, Steps
from penstock.ingest._discovery import Discovery
from penstock.ingest._layout import live_lane, plan_key, seal_key
from penstock.ingest._ledger import Ledger
from penstock.ingest._plan import FileVersion, Plan, WriterSettings
from penstock.ingest._planner import PlanLimits, Planner, PlanTemplate
from penstock.ingest._producer import Produced
from penstock.ingest._seal import DeadLetterFile, FileOutcome, FileState, Part, Seal
from penstock.ingest._sealer import Sealer
from penstock.ingest._volumes import Binder
from penstock.storage import ChangedError, LocalStore, NotFoundError, ObjectStore
from penstock.table import DeltaLakeTable, is_void
from tests.ingest.kills import Expected

PIPELINE = "lines"
SCHEMA = pa.schema([("file", pa.string()), ("line", pa.int64()), ("id", pa.int64())])
_ROWS_PER_PART = 40
pa.array([0])  # pyarrow looks for pandas at its first array: paid here, not in every forked program
_WRITER = WriterSettings(codec="zstd", file_size=1, row_group_rows=1000, spill_limit=1)


@dataclass
class LineProducer:
    """Reads whole files before a row counts; several small parts per plan."""

    source: ObjectStore
    lake: ObjectStore
    dead_letters: ObjectStore
    failpoints: Failpoints

    def produce(self, plan: Plan) -> Produced:
        rows: list[dict[str, object]] = []
        letters: list[dict[str, object]] = []
        outcomes = tuple(self._read(file, rows, letters) for file in plan.files)
        starts = range(0, len(rows), _ROWS_PER_PART)
        parts = tuple(
            self._part(plan, number, rows[start : start + _ROWS_PER_PART])
            for number, start in enumerate(starts)
        )
        return Produced(parts, self._letters(plan, letters), outcomes)

    def _read(
        self, file: FileVersion, rows: list[dict[str, object]], letters: list[dict[str, object]]
    ) -> FileOutcome:
        try:
            with self.source.open(file.name, version=file.version) as raw, gzip.open(raw) as lines:
                good, bad = _decode(file.name, lines)
        except NotFoundError:
            return FileOutcome(state=FileState.GONE)
        except ChangedError:
            return FileOutcome(state=FileState.CHANGED)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            letters.append({"file": file.name, "line": 0})
            return FileOutcome(state=FileState.DEAD, error=type(error).__name__)
        rows += good
        letters += bad
        return FileOutcome(state=FileState.ROWS, rows=len(good), dead_lines=len(bad))

    def _part(self, plan: Plan, number: int, rows: list[dict[str, object]]) -> Part:
        with TemporaryDirectory(prefix="penstock-") as folder:
            path = Path(folder) / "part"
            pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), path)
            data = path.read_bytes()
            digest = sha256(data).hexdigest()
            name = f"part-{plan.pipeline}-{plan.seq}-{number}-{digest[:12]}.parquet"
            self.lake.put_file(name, path)
        self.failpoints.cross("output.written")
        stats = json.dumps({"numRecords": len(rows)})
        return Part(name=name, size=len(data), sha256=digest, rows=len(rows), stats=stats)

    def _letters(self, plan: Plan, letters: list[dict[str, object]]) -> DeadLetterFile | None:
        if not letters:
            return None
        data = "".join(json.dumps(letter) + "\n" for letter in letters).encode()
        digest = sha256(data).hexdigest()
        name = f"dead-{plan.pipeline}-{plan.seq}-{digest[:12]}.ndjson"
        self.dead_letters.put_if_absent(name, data)
        return DeadLetterFile(name=name, size=len(data), sha256=digest, letters=len(letters))


def _decode(name: str, lines: Iterator[bytes]) -> tuple[list, list]:
    good, bad = [], []
    for number, line in enumerate(lines, start=1):
        try:
            good.append({"file": name, "line": number, "id": json.loads(line)["id"]})
        except (ValueError, TypeError):
            bad.append({"file": name, "line": number})
    return good, bad


@dataclass
class Parts:
    """What a pipeline is made of; a test replaces what it wants to see fail."""

    store: ObjectStore
    table: DeltaLakeTable


def parts(root: Path) -> Parts:
    """The real ones, under one directory."""
    table = DeltaLakeTable(str(root / "table"))
    table.create(SCHEMA)
    return Parts(LocalStore(root / "table"), table)


def build(
    root: Path,
    failpoints: Failpoints,
    made: Parts | None = None,
    *,
    max_failures: int = 0,
    volume_size: int = 3,
) -> tuple[Cycle, Discovery]:
    """A freshly started pipeline over `root`: `source/`, `table/` and `dead/`."""
    made = made or parts(root)
    clock, source, dead = SystemClock(), LocalStore(root / "source"), LocalStore(root / "dead")
    ledger = Ledger(made.store, made.table, PIPELINE, volume_size=volume_size)
    template = PlanTemplate(PIPELINE, live_lane(PIPELINE), "schema", _WRITER)
    limits = PlanLimits(max_files=2)
    steps = Steps(
        ledger=ledger,
        planner=Planner(
            made.store, ledger, template, limits=limits, clock=clock, failpoints=failpoints
        ),
        producer=LineProducer(source, made.store, dead, failpoints),
        sealer=Sealer(made.store, dead_letters=dead, failpoints=failpoints),
        committer=Committer(made.store, made.table, failpoints=failpoints),
        checkpointer=Checkpointer(made.store, made.table, PIPELINE, every=5),
        binder=Binder(made.store, PIPELINE, size=volume_size),
    )
    cycle = Cycle(steps, failpoints=failpoints, max_failures=max_failures)
    return cycle, Discovery({"main": source}, clock=clock, settle=timedelta(0))


def run_once(root: Path, failpoints: Failpoints) -> None:
    """Everything that is there."""
    drain(*build(root, failpoints))


def drain(cycle: Cycle, discovery: Discovery) -> None:
    """Turn after turn, until a turn finds nothing to do."""
    while cycle.run(discovery.look().files).plans and not cycle.limit_reached:
        pass


def make_source(root: Path, random: Random, files: int) -> Expected:
    """Gzipped NDJSON with bad lines, several members, and one file that is cut off."""
    expected = Expected()
    (root / "source").mkdir(parents=True)
    names = [f"{number:03}-{random.randint(0, 999):03}.ndjson.gz" for number in range(files)]
    random.shuffle(names)
    for number, name in enumerate(names):
        lines = [json.dumps({"id": line}).encode() + b"\n" for line in range(random.randint(0, 60))]
        bad = {line for line in range(len(lines)) if random.random() < 0.02}
        lines = [b"{not json\n" if line in bad else text for line, text in enumerate(lines)]
        middle = random.randint(0, len(lines))
        data = gzip.compress(b"".join(lines[:middle])) + gzip.compress(b"".join(lines[middle:]))
        if number == 1:
            data = data[: -len(data) // 3]
            expected.letters[name, 0] += 1
        else:
            for line in range(len(lines)):
                (expected.letters if line in bad else expected.rows)[name, line + 1] += 1
        (root / "source" / name).write_bytes(data)
    return expected


def stored(root: Path, pipeline: str) -> Expected:
    """What is in the table, and in the dead letters that a seal names."""
    table, store = DeltaLakeTable(str(root / "table")), LocalStore(root / "table")
    found = Expected()
    rows = table.rows(["file", "line"])
    found.rows.update(zip(*(rows.column(c).to_pylist() for c in ("file", "line")), strict=True))
    snapshot, seq = table.snapshot(), 1
    while store.head(plan_key(pipeline, seq)):
        key = seal_key(pipeline, seq)
        seal = Seal.decode(store.get(key), place=key)
        if seal.dead_letters and not is_void(snapshot, live_lane(pipeline), seq):
            for line in LocalStore(root / "dead").get(seal.dead_letters.name).splitlines():
                letter = json.loads(line)
                found.letters[letter["file"], letter["line"]] += 1
        seq += 1
    return found
