"""One ingest pipeline under a topology: turn after turn, until it is told to stop."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
from msgspec import field
from msgspec.structs import asdict

from penstock.base import ConfigError, Failpoints, Problem, RetryPolicy, Value
from penstock.ingest._compiled_decoder import open_decoder
from penstock.ingest._config import PipelineConfig
from penstock.ingest._cycle_result import CycleResult
from penstock.ingest._decoder import Decoder, DecoderOptions
from penstock.ingest._figures import FigureMetrics, Figures
from penstock.ingest._flow_producer import FlowProducer
from penstock.ingest._places import Places
from penstock.ingest._plan import FileVersion
from penstock.ingest._protocol_errors import CommitBlockedError, DamagedStateError
from penstock.ingest._spool import spool
from penstock.ingest._threads import DaemonThreads, Lane
from penstock.ingest._worker import Turn, Worker, work_of
from penstock.storage import StoragePool, StoreUnavailableError
from penstock.table import SchemaError, TableUnavailableError
from penstock.telemetry import ProgressRow, get_logger
from penstock.topology import DamagedStateError as TopologyDamagedStateError
from penstock.topology import FailureLimitError, Pipeline, PipelineContext, PipelineError

T = TypeVar("T")
_log = get_logger("ingest")
_UNAVAILABLE = (StoreUnavailableError, TableUnavailableError, CommitBlockedError)
_STORE_RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=1),
    maximum_interval=timedelta(minutes=1),
    maximum_attempts=6,
)
_YOUNG_PAUSE_S = 0.1
_FRUITLESS_TURNS = 5
_ABANDON_S = 3.0


class IngestOptions(Value):
    """How a pipeline is run, which is not part of what it is."""

    state_dir: Path
    """Where local state may be kept."""

    once: bool = False
    """End when all that is there has been settled, files included that were young at first."""

    replay: tuple[FileVersion, ...] = ()
    """Dead-letter files to put through instead of looking at the sources; ends then."""

    open_decoder: Callable[[pa.Schema, DecoderOptions], Decoder] = open_decoder
    """Makes what reads the lines."""

    failpoints: Failpoints = field(default_factory=Failpoints)
    """Crossed at the points of the protocol."""

    retry: RetryPolicy = _STORE_RETRY
    """How soon a failing store is asked again; how often is for `once` alone, a follower never gives up."""


class IngestPipeline(Pipeline):
    """Files of a few sources become rows of one table.

    Promises: each file's rows are in the table exactly once. A store that fails is waited for: the
    pipeline is not ready then, and nothing is dead-lettered. A stop lets the plan in hand finish;
    cancelled, the plan is left as a crash would leave it, and done again at the next start.
    """

    def __init__(
        self, key: str, config: PipelineConfig, context: PipelineContext, options: IngestOptions
    ) -> None:
        """Do nothing yet.

        Args:
            key: Its name, for ever: files are taken once under it.
            config: What it is.
            context: What it shares; its storage pool is a `StoragePool`.
            options: How it is run.
        """
        self._key = key
        self._config = config
        self._context = context
        self._options = options
        self._health = context.health.component(key, complaint="no commit")
        self._metrics = FigureMetrics(context.metrics, key)
        self._chance = random.Random(key)  # noqa: S311 - spreads load, guards nothing
        self._settled = CycleResult()
        self._elsewhere = CycleResult()
        self._producer: FlowProducer | None = None
        self._waiting: int | None = None
        self._finished = False

    @property
    def key(self) -> str:
        return self._key

    @property
    def settled(self) -> CycleResult:
        """What was settled since this one was made."""
        return self._settled

    @property
    def figures(self) -> Figures:
        """What was settled since the start of the program."""
        return Figures.of(self._settled)

    @property
    def finished(self) -> bool:
        """Whether all that was there has been settled; of one that follows it is never said."""
        return self._finished

    def progress(self) -> tuple[ProgressRow, ProgressRow]:
        """How far it is, for people who watch: its files, and its rows."""
        settled = self._settled
        done, dead = settled.files + settled.dead_files, settled.dead_letters
        queues = self._producer.queues if self._producer else ""
        letters = f"{dead:,} dead letter{'s' if dead > 1 else ''}" if dead else ""
        notes = (self._producer.in_hand if self._producer else "", letters)
        return (
            ProgressRow(
                f"{self._key} files",
                done,
                total=None if self._waiting is None else done + self._waiting,
                note=", ".join(filter(None, notes)),
            ),
            ProgressRow(f"{self._key} rows", settled.rows, note=queues and f"waiting: {queues}"),
        )

    async def run(self) -> str:
        try:
            async with self._working() as worker:
                await self._turns(worker)
        except DamagedStateError as error:
            raise TopologyDamagedStateError(str(error)) from error
        except SchemaError as error:
            problem = Problem(self._config.sink.table_uri, 0, f"{self._key}.schema", str(error))
            raise ConfigError((problem,)) from error
        return str(self.figures)

    @asynccontextmanager
    async def _working(self) -> AsyncIterator["_Threaded"]:
        """The worker and its threads; at the end nothing of them is left."""
        stores = self._context.storage_pool
        assert isinstance(stores, StoragePool)  # noqa: S101 - as the constructor asks
        sink, loop = self._config.sink, asyncio.get_running_loop()
        counts = {
            Lane.FILES: self._config.max_concurrent_files,
            Lane.OTHER: 2 + sink.max_concurrent_uploads,
        }
        threads = {
            lane: DaemonThreads(count, f"{self._key}/{lane.name.lower()}")
            for lane, count in counts.items()
        }
        try:
            with spool(self._options.state_dir / "spool" / self._key) as directory:
                places = Places.open(self._key, self._config, stores)
                work = work_of(
                    self._key, self._config, places, self._context,
                    directory=directory, open_decoder=self._options.open_decoder,
                    failpoints=self._options.failpoints,
                )  # fmt: skip
                self._producer = FlowProducer(work, loop, threads)
                worker = Worker(
                    self._key, self._config, places, self._producer,
                    clock=self._context.clock, failpoints=self._options.failpoints,
                )  # fmt: skip
                yield _Threaded(worker, self._producer, threads[Lane.OTHER])
        finally:
            self._producer = None
            for pool in threads.values():
                pool.shutdown()

    async def _turns(self, threaded: "_Threaded") -> None:
        worker, shutdown = threaded.worker, self._context.shutdown
        self._elsewhere = CycleResult()
        number = failed = fruitless = 0
        prepared = False
        while not shutdown.requested:
            number += 1
            before = worker.totals
            try:
                if not prepared:
                    await threaded.call(worker.prepare)
                    prepared = True
                self._health.working()
                turn = await threaded.call(self._one_turn(worker))
            except _UNAVAILABLE as error:
                failed += 1
                await self._back_off(failed, error)
                continue
            finally:
                self._count(worker.totals - before)
            failed = 0
            fruitless = 0 if _fruitful(worker.totals - before) else fruitless + 1
            self._tell_of_others(worker.elsewhere)
            self._look_after(turn)
            if worker.limit_reached:
                raise FailureLimitError(self._over_the_limit())
            if self._ends(turn, fruitless):
                self._finished = True
                return
            await shutdown.pause(self._pause(turn, number, fruitless))

    def _one_turn(self, worker: Worker) -> Callable[[], Turn]:
        if not self._options.replay:
            return partial(worker.turn, flush=self._options.once)
        return partial(worker.replay, self._options.replay)

    def _ends(self, turn: Turn, fruitless: int) -> bool:
        if self._options.replay:
            return True
        if not self._options.once:
            return False
        if turn.waiting and fruitless >= _FRUITLESS_TURNS:
            raise PipelineError(
                f"{turn.waiting} files of {self._key!r} are listed, but gone or changed whenever they are read; "
                "look for broken links and for files that are still written to"
            )
        return not turn.young and not turn.waiting

    def _pause(self, turn: Turn, number: int, fruitless: int) -> float:
        """Seconds until the next look."""
        if self._options.once:
            return _YOUNG_PAUSE_S if turn.young or fruitless else 0.0
        if turn.waiting and not fruitless:
            return 0.0
        longest = self._config.poll_interval
        if turn.waiting:
            longest = min(longest, self._config.plan.max_age)
        return longest.total_seconds() + self._context.jitter(self._key, number)

    def _look_after(self, turn: Turn) -> None:
        self._health.idle()
        self._waiting = turn.waiting + turn.young
        self._metrics.look(waiting=turn.waiting + turn.young, changed=len(turn.changed))
        if turn.changed:
            _log.warning(
                "files that were taken have new content, which is not read",
                pipeline=self._key,
                files=len(turn.changed),
                first=turn.changed[0].name,
                way_out="give new content a new name",
            )

    def _count(self, result: CycleResult) -> None:
        if result == CycleResult():
            return
        self._settled += result
        self._metrics.add(result)
        self._health.progress()
        _log.info("plans settled", pipeline=self._key, **_told(result))

    def _tell_of_others(self, result: CycleResult) -> None:
        """With these the figures since a start add up to the table, whoever was killed before it told its own."""
        if result != self._elsewhere:
            found = result - self._elsewhere
            self._elsewhere = result
            _log.info("plans found settled", pipeline=self._key, **_told(found))

    async def _back_off(self, failed: int, error: Exception) -> None:
        """Wait for a store that fails; with `once`, not for ever."""
        policy = self._options.retry
        once = self._options.once or self._options.replay
        if once and not policy.allows(failed, error):
            raise error
        delay = policy.delay(failed, self._chance)
        self._health.backing_off(str(error))
        _log.warning(
            "a store fails; nothing is lost, and it is tried again",
            pipeline=self._key, error=str(error), again_in_seconds=round(delay, 1),
        )  # fmt: skip
        await self._context.shutdown.pause(delay)

    def _over_the_limit(self) -> str:
        limit, dead = self._config.error_handling.max_failures, self._settled.dead_letters
        return (
            f"{dead} lines and files of {self._key!r} are dead, and max_failures is {limit}; look at them with "
            "`penstock dlq ls`, then raise the limit or correct the schema, and start again"
        )


class _Threaded:
    """A worker that is called from the loop, in threads."""

    def __init__(self, worker: Worker, producer: FlowProducer, threads: Executor) -> None:
        self.worker = worker
        self._producer = producer
        self._threads = threads

    async def call(self, work: Callable[[], T]) -> T:
        """Run `work` in a thread. Cancelled, it gives the plan in hand up and waits for the thread's end."""
        running = asyncio.get_running_loop().run_in_executor(self._threads, work)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            self._producer.abandon()
            done, _ = await asyncio.wait([running], timeout=_ABANDON_S)
            for ended in done:
                ended.exception()  # that it was given up is no news
            raise


def _told(result: CycleResult) -> dict[str, int]:
    """The figures that are not 0, for a log."""
    return {name: figure for name, figure in asdict(result).items() if figure}


def _fruitful(result: CycleResult) -> bool:
    return bool(result.files or result.dead_files)
