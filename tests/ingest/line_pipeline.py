"""The smallest real pipeline: gzipped NDJSON, line by line, into Parquet, on the real protocol."""

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq

from penstock.base import Failpoints, SystemClock
from penstock.ingest._checkpointer import Checkpointer
from penstock.ingest._committer import Committer
from penstock.ingest._cycle import Cycle, Steps
from penstock.ingest._discovery import Discovery
from penstock.ingest._layout import live_lane
from penstock.ingest._ledger import Ledger
from penstock.ingest._plan import FileVersion, Plan, WriterSettings
from penstock.ingest._planner import PlanLimits, Planner, PlanTemplate
from penstock.ingest._producer import Produced
from penstock.ingest._seal import DeadLetterFile, FileOutcome, FileState, Part
from penstock.ingest._sealer import Sealer
from penstock.storage import ChangedError, LocalStore, NotFoundError, ObjectStore
from penstock.table import DeltaLakeTable

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
    ledger: type[Ledger] = Ledger
    sealer: type[Sealer] = Sealer
    cycle: type[Cycle] = Cycle
    extra: Mapping[str, object] = field(default_factory=dict)


def parts(root: Path) -> Parts:
    """The real ones, under one directory."""
    table = DeltaLakeTable(str(root / "table"))
    table.create(SCHEMA)
    return Parts(LocalStore(root / "table"), table)


def build(
    root: Path, failpoints: Failpoints, made: Parts | None = None, *, max_failures: int = 0
) -> tuple[Cycle, Discovery]:
    """A freshly started pipeline over `root`: `source/`, `table/` and `dead/`."""
    made = made or parts(root)
    clock, source, dead = SystemClock(), LocalStore(root / "source"), LocalStore(root / "dead")
    ledger = made.ledger(made.store, made.table, PIPELINE)
    template = PlanTemplate(PIPELINE, live_lane(PIPELINE), "schema", _WRITER)
    limits = PlanLimits(max_files=2)
    steps = Steps(
        ledger=ledger,
        planner=Planner(
            made.store, ledger, template, limits=limits, clock=clock, failpoints=failpoints
        ),
        producer=LineProducer(source, made.store, dead, failpoints),
        sealer=made.sealer(made.store, dead_letters=dead, failpoints=failpoints),
        committer=Committer(made.store, made.table, failpoints=failpoints),
        checkpointer=Checkpointer(made.store, made.table, PIPELINE, every=5),
    )
    cycle = made.cycle(steps, failpoints=failpoints, max_failures=max_failures)
    return cycle, Discovery({"main": source}, clock=clock, settle=timedelta(0))


def run_once(root: Path, failpoints: Failpoints) -> None:
    """Everything that is there."""
    drain(*build(root, failpoints))


def drain(cycle: Cycle, discovery: Discovery) -> None:
    """Turn after turn, until a turn finds nothing to do."""
    while cycle.run(discovery.look().files).plans and not cycle.limit_reached:
        pass


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
    made = parts(root)
    made.sealer = UnsealedSealer
    drain(*build(root, failpoints, made))


def run_hasty(root: Path, failpoints: Failpoints) -> None:
    """`run_once` with acknowledgements before commits."""
    made = parts(root)
    made.cycle = HastyCycle
    drain(*build(root, failpoints, made))
