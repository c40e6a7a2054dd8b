"""Runs a board: prepares, seeds, starts, watches, answers, tears down."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from penstock.base import Clock, ConfigError, SystemClock, Value
from penstock.kanban._bookkeeper import Bookkeeper, rebuild
from penstock.kanban._catalogue import Catalogue
from penstock.kanban._config import FilterConfig
from penstock.kanban._control import hold, serve
from penstock.kanban._crew import Crew
from penstock.kanban._errors import OTHER_FILE_SYSTEM, BucketError, KanbanError, translated
from penstock.kanban._ledger import Ledger
from penstock.kanban._load import Board, load_board
from penstock.kanban._metrics import export
from penstock.kanban._rates import Rates
from penstock.kanban._recovery import recover
from penstock.kanban._seeding import Seeder
from penstock.kanban._status import BoardStatus, at_rest, board_status
from penstock.telemetry import HealthBoard, Metrics, TelemetryServer, get_logger

_TICK_S = 0.5
_IDLE_TICK_S = 0.1
_QUIET_TICK_S = 1.0
_JANITOR_S = 30.0
_FEED_S = 2.0


class BoardReport(Value):
    """How a run of a board ended."""

    status: BoardStatus
    late: bool
    """Whether a worker was killed because it did not finish in time."""
    finished: bool
    """Whether nothing was left to do; else it was stopped."""

    @property
    def exit_code(self) -> int:
        """0, 1 if tokens lie in errors, 4 if the drain took too long."""
        if self.late:
            return 4
        return 1 if self.status.errors else 0


class Orchestrator:
    """One run of a board. `run` returns when `stop` was called, or, if so asked, when nothing is left to do."""

    def __init__(
        self,
        board: Board,
        *,
        environ: Mapping[str, str],
        sample: Sequence[str] = (),
        until_idle: bool = False,
        metrics_address: str | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Get ready; nothing is touched.

        Args:
            board: What to run.
            environ: For the workers, and for references in a configuration that is read again.
            sample: Seed these ids instead of the catalogue.
            until_idle: End when no token can move any more.
            metrics_address: Serve `/metrics` here, as `host:port`; port 0 takes a free one.
            clock: For backoff.
        """
        self.board = board
        self._environ = environ
        self._sample = sample
        self._until_idle = until_idle
        self._metrics_address = metrics_address
        self._clock: Clock = clock or SystemClock()
        self._log = get_logger("penstock.kanban")
        self._rates = Rates(board)
        self._crew = Crew(
            board, environ=environ, clock=self._clock, log=self._log, ended=self._rates.ended
        )
        self._ledger = Ledger(board.state / "ledger.sqlite")
        self._keeper = Bookkeeper(board, self._ledger)
        self._seeder = Seeder(board, self._ledger)
        self._catalogue = Catalogue(board)
        self._finished = False
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """Drain: tokens in hand are finished, then `run` returns. Fine twice."""
        self._stop.set()

    async def run(self) -> BoardReport:
        """Run the board.

        Raises:
            BoardRunningError: Another orchestrator runs it.
            BucketError: A bucket cannot be prepared.
            ConfigError: The catalogue cannot be read.
        """
        with ExitStack() as stack:
            stack.callback(os.close, hold(self.board))
            await asyncio.to_thread(self._prepare)
            if self._metrics_address is not None:
                stack.callback(self._serve_metrics(self._metrics_address).stop)
            for config in self.board.config.filters:
                self._crew.start(config)
            background = [
                asyncio.create_task(serve(self.board, self._answer), name="kanban/control"),
                asyncio.create_task(self._tick(), name="kanban/tick"),
                asyncio.create_task(self._feed(), name="kanban/feed"),
            ]
            try:
                await self._until_stopped(background)
            finally:
                self._catalogue.stop()
                for task in background:
                    task.cancel()
                await self._crew.stop()
                await asyncio.gather(*background, return_exceptions=True)
            await asyncio.to_thread(self._recover)
            await asyncio.to_thread(self._keeper.look)
            return BoardReport(board_status(self.board), self._crew.late, self._finished)

    def _serve_metrics(self, address: str) -> TelemetryServer:
        metrics = Metrics(max_series=10_000)
        export(metrics, lambda: self.board, self._crew, self._rates)
        server = TelemetryServer(metrics, HealthBoard(self._clock))
        self._log.info("serving metrics", address=server.start(address))
        return server

    async def _until_stopped(self, background: "list[asyncio.Task[None]]") -> None:
        stopped = asyncio.create_task(self._stop.wait(), name="kanban/stop")
        try:
            done, _ = await asyncio.wait(
                {stopped, *background}, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            stopped.cancel()
        for task in done - {stopped}:
            task.result()

    def _prepare(self) -> None:
        for pipe in self.board.pipes:
            self.board.bucket(pipe).prepare()
        self._check_neighbours()
        for folder in (self.board.settings.processing_bucket, self.board.settings.done_bucket):
            if "://" not in folder:
                with translated(folder):
                    (self.board.root / folder).mkdir(parents=True, exist_ok=True)
        self._recover()
        rebuild(self.board, self._ledger)
        self._ledger.rehome(self.board.inputs)
        self._ledger.offer((identity, self.board.entrance) for identity in self._sample)
        self._seeder.seed(self._sample)

    def _check_neighbours(self) -> None:
        """Tokens move by rename: else every worker would end as soon as it had started."""
        home = os.stat(self.board.root / self.board.entrance).st_dev
        for pipe in self.board.pipes:
            if os.stat(self.board.root / pipe).st_dev != home:
                raise BucketError(str(self.board.root / pipe), OTHER_FILE_SYSTEM)

    def _recover(self) -> None:
        limit = self.board.settings.crash_limit
        for pipe in self.board.pipes:
            recover(self.board.bucket(pipe), crash_limit=limit)

    async def _feed(self) -> None:
        """Read the catalogue while the filters work, and again when it is due."""
        while True:
            if not self._sample and self._catalogue.due():
                await asyncio.to_thread(self._offer)
            await asyncio.sleep(_FEED_S)

    def _offer(self) -> None:
        first = not self._catalogue.read
        try:
            self._ledger.offer(self._catalogue.items())
        except (ConfigError, OSError) as error:
            if first:
                raise
            self._log.error("the catalogue cannot be read again", reason=str(error))

    async def _tick(self) -> None:
        """Keep the ledger, let more tokens in, look after the dead of others, notice the end."""
        since_janitor = 0.0
        shortest = pause = _IDLE_TICK_S if self._until_idle else _TICK_S
        while True:
            await asyncio.sleep(pause)
            since_janitor += pause
            try:
                busy = await asyncio.to_thread(self._keep)
                pause = shortest if busy or self._until_idle else _QUIET_TICK_S
                if since_janitor > _JANITOR_S:
                    since_janitor = 0.0
                    await asyncio.to_thread(self._recover)
            except KanbanError as error:
                self._log.error("the board cannot be kept for now", reason=str(error))
            if self._until_idle and await asyncio.to_thread(self._idle):
                self._finished = True
                self._stop.set()

    def _keep(self) -> bool:
        """Whether anything has happened since the last time."""
        noted, seeded = self._keeper.look(), self._seeder.seed(self._sample)
        return self._rates.look() or bool(noted or seeded)

    def _idle(self) -> bool:
        """Nothing waits, is worked on, or will come back."""
        unread = not (self._sample or self._catalogue.read)
        if unread or self._seeder.more(self._sample):
            return False
        return at_rest(self.board)

    async def _answer(self, request: dict[str, Any]) -> Any:
        handlers = {
            "status": self._say_status,
            "start": self._start,
            "stop": self._stop_filters,
            "restart": self._restart,
            "reload": self._reload,
            "shutdown": self._shutdown,
        }
        return await handlers[request["command"]](request)

    async def _say_status(self, _: dict[str, Any]) -> Any:
        workers = [
            {
                "filter": hand.filter,
                "worker": hand.name,
                "state": hand.state,
                "pid": hand.pid,
                "restarts": hand.restarts,
                "last": hand.last,
            }
            for hand in self._crew.hands
        ]
        return {"workers": workers, "rates": self._rates.per_minute()}

    def _named(self, request: dict[str, Any]) -> list[FilterConfig]:
        name = request.get("name") or ""
        found = [f for f in self.board.config.filters if name in {"", f.name}]
        if not found:
            names = ", ".join(config.name for config in self.board.config.filters)
            raise LookupError(f"no filter is named {name!r}; there are: {names}")
        return found

    async def _start(self, request: dict[str, Any]) -> Any:
        for config in self._named(request):
            self._crew.start(config)
        return [config.name for config in self._named(request)]

    async def _stop_filters(self, request: dict[str, Any]) -> Any:
        await asyncio.gather(*(self._crew.stop(config.name) for config in self._named(request)))
        return [config.name for config in self._named(request)]

    async def _restart(self, request: dict[str, Any]) -> Any:
        await self._stop_filters(request)
        return await self._start(request)

    async def _shutdown(self, _: dict[str, Any]) -> Any:
        self._stop.set()
        return "draining"

    async def _reload(self, _: dict[str, Any]) -> Any:
        """Read the configuration again; only filters that changed are drained and started anew."""
        fresh = await asyncio.to_thread(load_board, self.board.file, self._environ)
        before = {config.name: config for config in self.board.config.filters}
        after = {config.name: config for config in fresh.config.filters}
        shared = fresh.settings != self.board.settings
        changed = [n for n, c in before.items() if shared or after.get(n) != c]
        await asyncio.gather(*(self._crew.stop(name) for name in changed))
        for pipe in fresh.pipes:
            await asyncio.to_thread(fresh.bucket(pipe).prepare)
        self.board = self._crew.board = self._seeder.board = fresh
        self._keeper = Bookkeeper(fresh, self._ledger)
        self._catalogue, self._rates.board = Catalogue(fresh), fresh
        await asyncio.to_thread(self._ledger.rehome, fresh.inputs)
        for config in fresh.config.filters:
            self._crew.start(config)
        return {"changed": changed, "added": sorted(set(after) - set(before))}
