"""The work of one plan as a staged flow: decode and write, upload."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

from penstock.base import Failpoints, RetryPolicy
from penstock.flow import FatalError, Flow, FlowFailedError, RunningFlow, stage
from penstock.ingest._assemble import PlanAssembler, ProducedLetters, ProducedPart
from penstock.ingest._decode_file import DecodedFile, DecodeSettings, FileOpener, decode_file
from penstock.ingest._decoder import Decoder
from penstock.ingest._opener import RefusingOpener, StoreOpener
from penstock.ingest._plan import FileVersion, Plan
from penstock.ingest._producer import Produced
from penstock.ingest._seal import Part
from penstock.ingest._threads import Lane
from penstock.storage import ObjectStore, StoreUnavailableError
from penstock.topology import PipelineContext

T = TypeVar("T")
_PLAIN_LINES = DecodeSettings(compression="none")


class Blocking(Protocol):
    """Runs what blocks in a thread, and waits for it."""

    def __call__(self, call: Callable[[], T], /, lane: Lane = Lane.OTHER) -> Awaitable[T]: ...


@dataclass(frozen=True, slots=True)
class Work:
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

    Files are worked on in threads, several at once, each by one worker from its first byte until
    its rows are written, so that no more files are in memory than there are workers. Within a strand
    rows are written in the plan's order, so that repeated work gives the same outputs. Outputs are
    uploaded as they are finished, several at once.
    """

    def __init__(self, work: Work, plan: Plan, directory: Path, blocking: Blocking) -> None:
        """Do nothing yet; `directory` is empty, and the caller removes it afterwards."""
        self._work = work
        self._plan = plan
        self._directory = directory
        self._blocking = blocking
        self._assembler = PlanAssembler(plan, work.decoder.schema, directory)
        self._written = [asyncio.Event() for _ in plan.files]
        self._decoded: dict[FileVersion, DecodedFile] = {}
        self._over = False
        self._failure: Exception | None = None
        self._running: RunningFlow | None = None
        self._chance = random.Random(f"{plan.pipeline}/{plan.seq}")  # noqa: S311 - spreads retries
        self.files_done = 0
        """Files decoded so far."""

    async def run(self) -> Produced:
        """Do the work; what it gave is stored, but not decided.

        Raises:
            StoreUnavailableError: A store failed, not a file.
            OSError: The local disk is at fault.
        """
        uploaded: list[Part] = []
        flow = (
            Flow(f"{self._plan.pipeline}/{self._plan.seq}", clock=self._work.context.clock)
            | enumerate(self._plan.files)
            | self._stage(self._ingest, workers=self._work.files_at_once, streaming=True)
            | self._stage(self._upload, workers=self._work.uploads_at_once)
            | uploaded.append
        )
        try:
            async with flow.start() as running:
                self._running = running
                await running.wait()
            return await self._close()
        except FlowFailedError as error:
            raise (self._failure or error) from error
        finally:
            self._over = True
            for decoded in [*self._decoded.values()]:
                decoded.close()
            self._assembler.abort()

    @property
    def queues(self) -> str:
        """What waits before each stage, and how much may; the sink, a list, takes all at once."""
        stages = self._running.statistics().stages.values() if self._running else ()
        return ", ".join(f"{s.name} {s.queue_items}/{s.capacity}" for s in [*stages][:-1])

    def _stage(self, function: Callable[..., Any], **options: Any) -> Any:
        limit = options.get("workers", 1)
        return stage(name=function.__name__.strip("_"), capacity=limit, **options)(function)

    async def _ingest(self, numbered: tuple[int, FileVersion]) -> AsyncIterator[ProducedPart]:
        index, file = numbered
        with self._ending():
            async with self._work.context.permit(self._work.pipeline):
                await self._tried(file)
            self.files_done += 1
            parts = await self._write(index, file)
        for part in parts:
            yield part

    async def _write(self, index: int, file: FileVersion) -> tuple[ProducedPart, ...]:
        """Write what was decoded when it is its turn in its strand."""
        before = self._assembler.before(index)
        if before is not None:
            await self._written[before].wait()
        add = partial(self._assembler.add, index, self._decoded[file])
        parts = await self._blocking(add, Lane.FILES)
        del self._decoded[file]
        self._written[index].set()
        return parts

    async def _tried(self, file: FileVersion) -> None:
        """Decode; a failure of the store is tried again, and counts as the file's own in the end."""
        policy, attempt = self._work.retry, 1
        while True:
            try:
                return await self._read(file, self._work.opener)
            except StoreUnavailableError as error:
                if policy.allows(attempt, error):
                    await self._work.context.clock.sleep(policy.delay(attempt, self._chance))
                elif await self._blocking(partial(self._work.opener.answers, file)):
                    return await self._read(file, RefusingOpener(error))
                else:
                    raise
            attempt += 1

    def _read(self, file: FileVersion, opener: FileOpener) -> Awaitable[None]:
        return self._blocking(partial(self._decode, file, opener), Lane.FILES)

    def _decode(self, file: FileVersion, opener: FileOpener) -> None:
        decoded = decode_file(
            file,
            plan=self._plan,
            opener=opener,
            decoder=self._work.decoder,
            settings=self._work.settings.get(file.source, _PLAIN_LINES),
            directory=self._directory,
        )
        self._decoded[file] = decoded
        if self._over:  # the flow failed meanwhile, and nobody waits for it
            decoded.close()

    async def _upload(self, output: ProducedPart) -> Part:
        with self._ending():
            async with self._work.context.permit(self._work.pipeline):
                await self._blocking(partial(self._store, output))
            return output.part

    def _store(self, output: ProducedPart) -> None:
        self._work.root.put_file(output.part.name, output.path)
        output.path.unlink()
        self._work.failpoints.cross("output.stored")

    async def _close(self) -> Produced:
        finished = await self._blocking(self._assembler.finish)
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
