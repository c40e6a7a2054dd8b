"""The real protocol in an unreal world: one seed decides who runs, who dies, and what fails.

Processes are threads of which exactly one runs at a time, chosen by the seed at every operation on
the store or the table; so a seed gives the same history every time, however the machine is loaded.
"""

import json
from _thread import allocate_lock, start_new_thread
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from random import Random

from penstock.base import Failpoints
from penstock.ingest._committer import Committer
from penstock.ingest._cycle import Cycle, Steps
from penstock.ingest._layout import live_lane, plan_key
from penstock.ingest._ledger import FileStatus, Ledger
from penstock.ingest._plan import FileVersion, Plan, WriterSettings
from penstock.ingest._planner import PlanLimits, Planner, PlanTemplate
from penstock.ingest._producer import Produced
from penstock.ingest._protocol_errors import CommitBlockedError
from penstock.ingest._seal import DeadLetterFile, FileOutcome, FileState, Part, Seal
from penstock.ingest._sealer import Sealer
from penstock.ingest._volumes import Binder
from penstock.storage import NotFoundError, ObjectMeta, ObjectStore, StoreUnavailableError
from penstock.table import CommitUnknownError, DataFile, TableSnapshot, TableUnavailableError
from penstock.testing import MemoryTable

PIPELINE = "p"
LANE = live_lane(PIPELINE)
VOLUME_SIZE = 2
_WRITER = WriterSettings(codec="zstd", file_size=1, row_group_rows=1, spill_limit=1)
_TIMES = (datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 2, tzinfo=UTC))


class Crash(BaseException):
    """The process dies here; nothing of it runs any more."""


class ViolationError(AssertionError):
    """The world is not as promised."""


@dataclass(frozen=True)
class Rules:
    """Which parts the processes are built of; mutants replace one of them."""

    ledger: type[Ledger] = Ledger
    planner: type[Planner] = Planner
    sealer: type[Sealer] = Sealer
    committer: type[Committer] = Committer


@dataclass
class SourceFile:
    """One file: its lines, or None if it cannot be read to its end."""

    version: int
    good: tuple[int, ...] = ()
    bad: tuple[int, ...] = ()
    corrupt: bool = False


class Scheduler:
    """Lets one of several threads run at a time. The threads serve one world after the other."""

    def __init__(self, size: int) -> None:
        self._locks = [allocate_lock() for _ in range(size + 1)]
        self._jobs: list[Callable[[], None]] = [lambda: None] * size
        self._live: list[int] = []
        self._random = Random(0)
        self._main = size
        for lock in self._locks:
            lock.acquire()
        for number in range(size):
            start_new_thread(self._serve, (number,))

    def run(self, jobs: Sequence[Callable[[], None]], random: Random) -> None:
        """Run all jobs to their ends, interleaved where they call `switch`."""
        self._random = random
        self._live = list(range(len(jobs)))
        self._jobs[: len(jobs)] = jobs
        self._locks[random.choice(self._live)].release()
        self._locks[self._main].acquire()

    def switch(self, me: int) -> None:
        """Let somebody run, perhaps this one."""
        chosen = self._live[int(self._random.random() * len(self._live))]
        if chosen != me:
            self._locks[chosen].release()
            self._locks[me].acquire()

    def _serve(self, me: int) -> None:
        while True:
            self._locks[me].acquire()
            self._jobs[me]()
            self._live.remove(me)
            following = self._random.choice(self._live) if self._live else self._main
            self._locks[following].release()


class World:
    """All that outlives a process, and the chances of what happens in it."""

    def __init__(self, seed: int, scheduler: Scheduler, rules: Rules) -> None:
        self.seed = seed
        self.rules = rules
        self.random = Random(seed)
        self.scheduler = scheduler
        self.objects: dict[str, bytes] = {}
        self.archive: dict[str, bytes] = {}
        self.table = MemoryTable()
        self.files: dict[str, SourceFile] = {}
        self.versions: dict[tuple[str, int], SourceFile] = {}
        self.errors: list[str] = []
        self.calm = False
        self.steps = 0
        self.budget = self.random.randint(10, 90)
        self.removes_sources = self.random.random() < 0.3
        self.crash, self.failure, self.lost = (self.random.choice((0.0, 0.02, 0.06)) for _ in "123")
        self.switches = self.random.choice((0.1, 0.3, 0.6))
        self.processes = self.random.randint(2, 3)
        for _ in range(self.random.randint(1, 4)):
            self.arrive()

    def arrive(self) -> None:
        """A new file, in no order of names."""
        name = f"{self.random.randint(0, 99):02}.json"
        if (name, 1) not in self.versions:
            self._store(name, 1)

    def _store(self, name: str, version: int) -> None:
        lines = range(self.random.randint(0, 3))
        bad = tuple(line for line in lines if self.random.random() < 0.2)
        good = tuple(line for line in lines if line not in bad)
        corrupt = self.random.random() < 0.15
        file = SourceFile(version, *(((), (), True) if corrupt else (good, bad, False)))
        self.files[name] = self.versions[name, version] = file

    def happen(self) -> None:
        """Something that is nobody's doing."""
        chance = self.random.random()
        if chance < 0.06:
            self.arrive()
        elif chance < 0.08 and self.files:
            name = self.random.choice(sorted(self.files))
            self._store(name, self.files[name].version + 1)
        elif chance < 0.09 and self.files:
            name = self.random.choice(sorted(self.files))
            del self.files[name]
        elif chance < 0.13:
            committed = set(self.table.files())
            parts = [
                key for key in self.objects if key.startswith("part-") and key not in committed
            ]
            if parts:
                del self.objects[self.random.choice(sorted(parts))]


@dataclass
class Process:
    """One running program; each of its operations on the outside world passes here."""

    world: World
    number: int

    def before(self, error: Exception) -> None:
        """Called on the way in: somebody else may run, this process may die, or the call may fail."""
        world = self.world
        if world.calm:
            return
        world.steps += 1
        if world.random.random() < world.switches:
            world.scheduler.switch(self.number)
        if world.steps <= world.budget:
            world.happen()
            self._trouble(error, world.failure)

    def after(self, error: Exception) -> None:
        """Called when it is done: this process may die, or never hear of it."""
        if self.world.steps <= self.world.budget and not self.world.calm:
            self._trouble(error, self.world.lost)

    def _trouble(self, error: Exception, failure: float) -> None:
        chance = self.world.random.random()
        if chance < self.world.crash:
            raise Crash
        if chance < self.world.crash + failure:
            raise error


class SimulatedStore(ObjectStore):
    """The world's objects as one process sees them."""

    url = "sim:"

    def __init__(self, process: Process) -> None:
        self._process = process
        self._world = process.world
        self._failure = StoreUnavailableError("sim:", "simulated")

    def get(self, key: str) -> bytes:
        self._process.before(self._failure)
        if key not in self._world.objects:
            raise NotFoundError(key)
        return self._world.objects[key]

    def head(self, key: str) -> ObjectMeta | None:
        self._process.before(self._failure)
        data = self._world.objects.get(key)
        return None if data is None else ObjectMeta(key, len(data), "", _TIMES[0])

    def put(self, key: str, data: bytes) -> None:
        self._process.before(self._failure)
        self._world.objects[key] = self._world.archive[key] = data
        self._process.after(self._failure)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        self._process.before(self._failure)
        stored = self._world.objects.setdefault(key, data) == data
        self._process.after(self._failure)
        return stored


class SimulatedTable(MemoryTable):
    """The world's table as one process sees it."""

    url = "sim:table"

    def __init__(self, process: Process) -> None:
        self._process = process

    def snapshot(self) -> TableSnapshot:
        self._process.before(TableUnavailableError("sim:", "simulated"))
        return self._process.world.table.snapshot()

    def commit(
        self,
        snapshot: TableSnapshot,
        *,
        adds: Sequence[DataFile],
        transactions: Mapping[str, int],
        metadata: Mapping[str, str],
    ) -> None:
        failure = CommitUnknownError("sim:", "simulated")
        self._process.before(failure)
        table = self._process.world.table
        table.commit(snapshot, adds=adds, transactions=transactions, metadata=metadata)
        self._process.after(failure)


class SimulatedClock:
    """Stands still."""

    def __init__(self, world: World) -> None:
        self._now = world.random.choice(_TIMES)

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        raise NotImplementedError


@dataclass
class SimulatedProducer:
    """Writes the names of lines instead of lines; a file that is slow to answer is returned."""

    process: Process
    store: SimulatedStore
    rows: list[str] = field(default_factory=list)

    def produce(self, plan: Plan) -> Produced:
        rows: list[str] = []
        letters: list[str] = []
        outcomes = tuple(self._read(file, rows, letters) for file in plan.files)
        middle = self.process.world.random.randint(0, len(rows))
        halves = [half for half in (rows[:middle], rows[middle:]) if half]
        parts = tuple(self._part(plan, number, half) for number, half in enumerate(halves))
        return Produced(parts, self._letters(plan, letters), outcomes)

    def _read(self, file: FileVersion, rows: list[str], letters: list[str]) -> FileOutcome:
        world = self.process.world
        try:
            self.process.before(TimeoutError())
        except TimeoutError:
            return FileOutcome(state=FileState.RETURNED, error="slow")
        found = world.files.get(file.name)
        if found is None:
            return FileOutcome(state=FileState.GONE)
        if str(found.version) != file.version:
            return FileOutcome(state=FileState.CHANGED)
        if found.corrupt:
            letters.append(f"{file.name}@{file.version}")
            return FileOutcome(state=FileState.DEAD, error="corrupt")
        rows += [f"{file.name}@{file.version}:{line}" for line in found.good]
        letters += [f"{file.name}@{file.version}:{line}" for line in found.bad]
        return FileOutcome(state=FileState.ROWS, rows=len(found.good), dead_lines=len(found.bad))

    def _part(self, plan: Plan, number: int, rows: list[str]) -> Part:
        data = json.dumps(rows).encode()
        digest = sha256(data).hexdigest()
        name = f"part-{plan.pipeline}-{plan.seq}-{number}-{digest[:12]}.parquet"
        self.store.put(name, data)
        return Part(name=name, size=len(data), sha256=digest, rows=len(rows), stats="{}")

    def _letters(self, plan: Plan, letters: list[str]) -> DeadLetterFile | None:
        if not letters:
            return None
        data = json.dumps(letters).encode()
        digest = sha256(data).hexdigest()
        name = f"dead-{plan.seq}-{digest[:12]}"
        self.store.put(name, data)
        return DeadLetterFile(name=name, size=len(data), sha256=digest, letters=len(letters))


@dataclass
class SimulatedAcknowledger:
    """Notices an acknowledgement that comes too soon."""

    world: World

    def acknowledge(self, plan: Plan, seal: Seal) -> None:
        if self.world.table.snapshot().transaction_version(plan.lane) < plan.seq:
            raise ViolationError(f"plan {plan.seq} was acknowledged before its commit")
        if self.world.removes_sources:
            for file, outcome in zip(plan.files, seal.outcomes, strict=True):
                here = self.world.files.get(file.name)
                if outcome.state is FileState.ROWS and here and str(here.version) == file.version:
                    del self.world.files[file.name]


def build(process: Process) -> tuple[Cycle, Ledger]:
    """A freshly started program."""
    world, rules, points = process.world, process.world.rules, Failpoints()
    store, table = SimulatedStore(process), SimulatedTable(process)
    ledger = rules.ledger(store, table, PIPELINE, volume_size=VOLUME_SIZE)
    template = PlanTemplate(PIPELINE, LANE, "schema", _WRITER)
    limits = PlanLimits(max_files=1 + world.seed % 3, max_age=timedelta(0))
    clock = SimulatedClock(world)
    steps = Steps(
        ledger=ledger,
        planner=rules.planner(
            store, ledger, template, limits=limits, clock=clock, failpoints=points
        ),
        producer=SimulatedProducer(process, store),
        sealer=rules.sealer(store, dead_letters=store, failpoints=points),
        committer=rules.committer(store, table, failpoints=points),
        acknowledger=SimulatedAcknowledger(world),
        binder=Binder(store, PIPELINE, size=VOLUME_SIZE, threads=1),
    )
    return Cycle(steps, failpoints=points), ledger


def look(world: World) -> list[FileVersion]:
    """A listing of the source."""
    return [
        FileVersion(source="s", name=name, size=1, version=str(file.version))
        for name, file in sorted(world.files.items())
    ]


_BACK_OFF = (StoreUnavailableError, TableUnavailableError, CommitBlockedError)


def live(process: Process) -> None:
    """Run, die, start again, until the time of trouble is over."""
    world = process.world
    while world.steps <= world.budget and not world.errors:
        try:
            cycle, _ = build(process)
            while world.steps <= world.budget:
                process.before(StoreUnavailableError("sim:", "listing"))
                found = look(world)
                try:
                    cycle.run(found)
                except _BACK_OFF:
                    continue
        except (Crash, *_BACK_OFF):
            continue
        except Exception as error:  # whatever it is, it is the finding
            world.errors.append(f"{type(error).__name__}: {error}")


def simulate(seed: int, scheduler: Scheduler, rules: Rules | None = None) -> World:
    """Live through one seed.

    Raises:
        ViolationError: What was promised does not hold; the message names the seed.
    """
    world = World(seed, scheduler, rules or Rules())
    processes = [Process(world, number) for number in range(world.processes)]
    scheduler.run([lambda p=process: live(p) for process in processes], world.random)  # type: ignore[misc]  # mypy cannot type a default in a lambda
    try:
        _expect(not world.errors, "; ".join(world.errors))
        ledger = _settle(world)
        check(world, ledger)
    except Exception as error:
        raise ViolationError(f"seed {seed}: {type(error).__name__}: {error}") from error
    return world


def _settle(world: World) -> Ledger:
    """When all is calm, one more process brings everything to its end."""
    world.calm = True
    cycle, _ = build(Process(world, 0))
    for _ in range(200):
        if not cycle.run(look(world)).plans:
            break
    else:
        raise ViolationError("work never ends")
    fresh = world.rules.ledger(SimulatedStore(Process(world, 0)), world.table, PIPELINE)
    fresh.refresh()
    return fresh


def check(world: World, ledger: Ledger) -> None:
    """The oracle: looks at what is stored, not at what the protocol believes."""
    numbers = [commit.transactions[LANE] for commit in world.table.commits]
    _expect(numbers == sorted(set(numbers)), f"numbers in the table are not ascending: {numbers}")
    plans = [key for key in world.objects if "/plans/" in key]
    dense = [plan_key(PIPELINE, seq) for seq in range(1, len(plans) + 1)]
    _expect(sorted(plans) == dense, "plans are not dense")
    rows = Counter(
        row
        for commit in world.table.commits
        for add in commit.adds
        for row in json.loads(world.archive[add.name])
    )
    letters = _dead_letters(world)
    for kind, found in (("row", rows), ("dead letter", letters)):
        for name, count in found.items():
            _expect(count == 1, f"{kind} {name} is there {count} times")
    for name in sorted({name for name, _ in world.versions}):
        _check_file(world, name, ledger.status("s", name), rows, letters)


def _check_file(
    world: World, name: str, status: FileStatus, rows: Counter[str], letters: Counter[str]
) -> None:
    mine = {row for row in rows if row.startswith(f"{name}@")}
    dead = {letter for letter in letters if letter.startswith(f"{name}@")}
    possible = []
    for (owner, version), file in world.versions.items():
        if owner == name:
            good = {f"{name}@{version}:{line}" for line in file.good}
            bad = {f"{name}@{version}:{line}" for line in file.bad}
            possible.append((good, {f"{name}@{version}"} if file.corrupt else bad))
    if status in {FileStatus.COMMITTED, FileStatus.DEAD}:
        _expect((mine, dead) in possible, f"{name} is {status} with rows {mine}, dead {dead}")
    else:
        _expect(not mine and not dead, f"{name} is {status} with rows {mine}, dead {dead}")
        _expect(name not in world.files, f"{name} is there, and still {status}")


def _dead_letters(world: World) -> Counter[str]:
    """Only what is named by a seal counts, unless the table says that the plan was given up."""
    snapshot = world.table.snapshot()
    found: Counter[str] = Counter()
    for key, data in world.objects.items():
        if "/results/" in key:
            seal = Seal.decode(data, place=key)
            void = snapshot.transaction_version(f"{LANE}/void/{seal.seq}") == seal.seq
            if seal.dead_letters is not None and not void:
                found.update(json.loads(world.archive[seal.dead_letters.name]))
    return found


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ViolationError(otherwise)
