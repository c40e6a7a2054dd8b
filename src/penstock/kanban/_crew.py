"""The processes of a board: started, restarted with backoff, drained, and mourned."""

import asyncio
import json
import os
import random
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from penstock.base import Clock, RetryPolicy
from penstock.files import write_atomic
from penstock.kanban._bucket import Bucket
from penstock.kanban._config import FilterConfig
from penstock.kanban._errors import KanbanError
from penstock.kanban._load import Board
from penstock.kanban._recovery import recover
from penstock.process import ChildProcess, ExitStatus, ProcessSpec, open_process
from penstock.telemetry import Logger

_BACKOFF = RetryPolicy(
    initial_interval=timedelta(milliseconds=200),
    maximum_interval=timedelta(seconds=5),
    maximum_attempts=0,
)
_STEADY_S = 30.0
_LOOK = timedelta(seconds=20)
_TIMED_OUT = 128 + signal.SIGALRM


@dataclass
class Hand:
    """One worker of a filter."""

    filter: str
    name: str
    state: str = "starting"
    """`starting`, `running`, `stopping`, `stopped` or `waiting` for its restart."""
    pid: int = 0
    restarts: int = 0
    last: str = ""
    """How it ended last."""
    child: ChildProcess | None = None
    task: "asyncio.Task[None] | None" = None
    stop: asyncio.Event = field(default_factory=asyncio.Event)


class Crew:
    """The workers of one board."""

    def __init__(
        self,
        board: Board,
        *,
        environ: Mapping[str, str],
        clock: Clock,
        log: Logger,
        ended: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.board = board
        self._ended = ended
        self._environ = dict(environ)
        self._clock = clock
        self._log = log
        self._chance = random.Random(str(board.file))  # noqa: S311 - spreads load, guards nothing
        self._number = 0
        self.hands: list[Hand] = []
        self.late = False
        """Whether a worker had to be killed because it did not finish in time."""

    def start(self, config: FilterConfig) -> None:
        """Start the workers of a filter that do not run."""
        alive = [h for h in self.hands if h.filter == config.name and h.state != "stopped"]
        for _ in range(config.workers - len(alive)):
            self._number += 1
            hand = Hand(config.name, f"{config.name}-{os.getpid()}-{self._number}")
            self.hands.append(hand)
            hand.task = asyncio.create_task(self._keep(hand, config), name=f"kanban/{hand.name}")

    async def stop(self, name: str = "") -> None:
        """Let the workers of a filter, or all, finish what they have in hand and end."""
        leaving = [h for h in self.hands if name in {"", h.filter} and h.state != "stopped"]
        for hand in leaving:
            hand.stop.set()
        await asyncio.gather(*(hand.task for hand in leaving if hand.task))
        self.hands = [hand for hand in self.hands if hand not in leaving]

    async def _keep(self, hand: Hand, config: FilterConfig) -> None:
        attempt = 0
        bucket = self.board.bucket(config.input_pipe)
        base = hand.name
        while not hand.stop.is_set():
            hand.name = f"{base}-{hand.restarts}"
            started = self._clock.monotonic()
            status = await self._once(hand, config)
            self._ended(hand.name)
            await self._mourn(bucket, hand, status)
            if hand.stop.is_set():
                break
            attempt = 1 if self._clock.monotonic() - started > _STEADY_S else attempt + 1
            hand.state, hand.last = "waiting", str(status)
            hand.restarts += 1
            pause = _BACKOFF.delay(attempt, self._chance)
            self._log.warning(
                "worker ended", worker=hand.name, status=str(status), restart_in=round(pause, 2)
            )
            with suppress(TimeoutError):
                await asyncio.wait_for(hand.stop.wait(), pause)
        hand.state = "stopped"

    async def _once(self, hand: Hand, config: FilterConfig) -> ExitStatus:
        async with open_process(self._spec(hand, config), clock=self._clock) as child:
            hand.child, hand.pid, hand.state = child, child.pid, "running"
            waiter = asyncio.create_task(child.wait(), name=f"kanban/{hand.name}/wait")
            stopper = asyncio.create_task(hand.stop.wait(), name=f"kanban/{hand.name}/stop")
            try:
                await asyncio.wait({waiter, stopper}, return_when=asyncio.FIRST_COMPLETED)
                if not waiter.done():
                    await self._drain(hand, waiter)
                return await waiter
            finally:
                stopper.cancel()
                hand.child, hand.pid = None, 0

    async def _drain(self, hand: Hand, waiter: "asyncio.Task[ExitStatus]") -> None:
        """Ask the worker alone, not what it has started: the token in hand is to be finished."""
        hand.state = "stopping"
        with suppress(ProcessLookupError):
            os.kill(hand.pid, signal.SIGTERM)
        await asyncio.wait({waiter}, timeout=self.board.settings.drain.total_seconds())
        if not waiter.done():
            self.late = True
            self._log.error("worker killed at the end of the drain", worker=hand.name)
            if hand.child is not None:
                await hand.child.stop()

    async def _mourn(self, bucket: Bucket, hand: Hand, status: ExitStatus) -> None:
        """Take back at once what the worker had in hand."""
        reason = "the worker died with it in hand"
        if status.code == _TIMED_OUT:
            reason = "it took longer than the filter's timeout, and the worker was killed"
        try:
            taken = await asyncio.to_thread(
                recover,
                bucket,
                crash_limit=self.board.settings.crash_limit,
                reason=reason,
                only=hand.name,
            )
        except KanbanError as error:
            self._log.error("cannot take tokens back yet", worker=hand.name, reason=str(error))
        else:
            if taken:
                self._log.warning("tokens taken back", worker=hand.name, tokens=taken)

    def _spec(self, hand: Hand, config: FilterConfig) -> ProcessSpec:
        logs = self.board.root / self.board.settings.logs
        logs.mkdir(parents=True, exist_ok=True)
        order = self.board.state / f"order-{config.name}.json"
        document = {
            "filter": config.name,
            "file": str(self.board.file.absolute()),
            "text": self.board.text,
        }
        write_atomic(order, json.dumps(document).encode())
        return ProcessSpec(
            (sys.executable, "-m", "penstock.kanban._worker", str(order), hand.name),
            env=self._environ,
            cwd=Path.cwd(),
            log_file=logs / f"{config.name}.log",
            grace=timedelta(seconds=1),
            look_every=_LOOK,
        )
