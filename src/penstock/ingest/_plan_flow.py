"""The work of one plan as a staged flow: decode and write, upload."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

from penstock.base import Failpoints, RetryPolicy, Value
from penstock.flow import FatalError, Flow, FlowFailedError, RunningFlow, stage
from penstock.ingest._assemble import ProducedLetters, ProducedPart
from penstock.ingest._decode_file import DecodeSettings, FileOpener
from penstock.ingest._decoder import Decoder
from penstock.ingest._opener import RefusingOpener, StoreOpener
from penstock.ingest._plan import FileVersion, Plan
from penstock.ingest._plan_files import Parts, PlanFiles
from penstock.ingest._producer import Produced
from penstock.ingest._seal import Part
from penstock.ingest._threads import Lane
from penstock.storage import ObjectStore, StoreUnavailableError
from penstock.topology import PipelineContext

T = TypeVar("T")
_AHEAD = 1
"""Files that wait for a thread, so that one that is done has its next at once.

The loop, woken beside threads that are busy, would need two milliseconds to find it another.
"""


class Blocking(Protocol):
    """Runs what blocks in a thread, and waits for it."""

    def __call__(self, call: Callable[[], T], /, lane: Lane = Lane.OTHER) -> Awaitable[T]: ...


class Work(Value):
    """What the work of every plan of a pipeline needs."""

    pipeline: str
    context: PipelineContext
    opener: StoreOpener
    decoder: Decoder
    settings: Mapping[str, DecodeSettings]
    """How files are read, by source; what is in none of these is plain lines."""
    root: ObjectStore
    dead_letters: ObjectStore
    directory: Path
    """Local, for outputs until they are uploaded; used by this process alone."""
    files_at_once: int
    uploads_at_once: int
    retry: RetryPolicy
    """How often a file is tried whose store fails."""
    failpoints: Failpoints
    """Crossed as `output.stored` after each upload, and as `letters.stored`."""


class _StoppedError(FatalError):
    """Ends the flow; the failure itself is chained."""


class PlanFlow:
    """Runs the work of one plan, once.

    Files are worked on in threads, several at once, each by one thread from its first byte until
    its rows are written. Outputs are uploaded as they are finished, several at once.
    """

    def __init__(self, work: Work, plan: Plan, directory: Path, blocking: Blocking) -> None:
        """Do nothing yet; `directory` is empty, and the caller removes it afterwards."""
        self._work = work
        self._plan = plan
        self._directory = directory
        self._blocking = blocking
        self._files = PlanFiles(
            plan,
            directory,
            decoder=work.decoder,
            settings=work.settings,
            at_once=work.files_at_once,
        )
        self._next_written = asyncio.Event()
        self._failure: Exception | None = None
        self._running: RunningFlow | None = None
        self._chance = random.Random(f"{plan.pipeline}/{plan.seq}")  # noqa: S311 - spreads retries
        self.files_done = 0
        """Files written so far."""

    async def run(self) -> Produced:
        """Do the work; what it gave is stored, but not decided.

        Raises:
            StoreUnavailableError: A store failed, not a file.
            OSError: The local disk is at fault.
        """
        numbered = [*enumerate(self._plan.files)]  # an iterator might block: a thread for each pull
        flow = (
            Flow(f"{self._plan.pipeline}/{self._plan.seq}", clock=self._work.context.clock)
            | numbered
            | self._stage(self._ingest, workers=self._work.files_at_once + _AHEAD, streaming=True)
            | self._stage(self._upload, workers=self._work.uploads_at_once)
            | self._uploaded
        )
        try:
            async with flow.start() as running:
                self._running = running
                await running.wait()
            return await self._close()
        except FlowFailedError as error:
            raise (self._failure or error) from error
        finally:
            self._files.close()

    @property
    def queues(self) -> str:
        """What waits before each stage, and how much may; the sink has nothing to wait for."""
        stages = self._running.statistics().stages.values() if self._running else ()
        return ", ".join(f"{s.name} {s.queue_items}/{s.capacity}" for s in [*stages][:-1])

    def _stage(self, function: Callable[..., Any], **options: Any) -> Any:
        limit = options.get("workers", 1)
        return stage(name=function.__name__.strip("_"), capacity=limit, **options)(function)

    async def _ingest(self, numbered: tuple[int, FileVersion]) -> AsyncIterator[ProducedPart]:
        with self._ending():
            parts = await self._written(*numbered)
        for part in parts:
            yield part

    async def _written(self, index: int, file: FileVersion) -> Parts:
        """Work on a file, again when others are written if there was no room or it had to wait for them."""
        while True:
            next_written = self._next_written
            async with self._work.context.permit(self._work.pipeline):
                parts = await self._tried(index, file)
            if parts is not None:
                self.files_done += 1
                self._next_written, done = asyncio.Event(), self._next_written
                done.set()
                return parts
            await next_written.wait()

    async def _tried(self, index: int, file: FileVersion) -> Parts | None:
        """A failure of the store is tried again, and counts as the file's own in the end."""
        policy, attempt = self._work.retry, 1
        while True:
            try:
                return await self._ingested(index, self._work.opener)
            except StoreUnavailableError as error:
                if policy.allows(attempt, error):
                    await self._work.context.clock.sleep(policy.delay(attempt, self._chance))
                elif await self._blocking(partial(self._work.opener.answers, file)):
                    return await self._ingested(index, RefusingOpener(error))
                else:
                    raise
            attempt += 1

    def _ingested(self, index: int, opener: FileOpener) -> Awaitable[Parts | None]:
        return self._blocking(partial(self._files.ingest, index, opener), Lane.FILES)

    async def _upload(self, output: ProducedPart) -> Part:
        with self._ending():
            async with self._work.context.permit(self._work.pipeline):
                await self._blocking(partial(self._store, output))
            return output.part

    def _uploaded(self, _: Part) -> None:
        """Nothing is left to do; the assembler knows all parts."""

    def _store(self, output: ProducedPart) -> None:
        self._work.root.put_file(output.part.name, output.path)
        output.path.unlink()
        self._work.failpoints.cross("output.stored")

    async def _close(self) -> Produced:
        finished = await self._blocking(self._files.finish)
        letters = finished.dead_letters
        if letters is not None:
            await self._blocking(partial(self._store_letters, letters))
        parts = tuple(output.part for output in finished.parts)
        return Produced(parts, letters.file if letters else None, finished.outcomes)

    def _store_letters(self, letters: ProducedLetters) -> None:
        self._work.dead_letters.put_file(letters.file.name, letters.path)
        self._work.failpoints.cross("letters.stored")

    def _ending(self) -> "_Ending":
        return _Ending(self)

    def fail(self, error: Exception) -> None:
        """Remember the first failure; the flow ends by it."""
        self._failure = self._failure or error


class _Ending:
    """Turns any failure inside into the end of the flow: no file may be left out of a plan."""

    def __init__(self, flow: PlanFlow) -> None:
        self._flow = flow

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception):
            self._flow.fail(error)
            raise _StoppedError(str(error)) from error
