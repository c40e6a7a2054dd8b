"""Going on where an earlier run ended: what is settled is not given again, what is not settled is."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, TypeVar

from penstock.base import Clock, ConfigError, Problem
from penstock.flow._checkpoint import Checkpoint
from penstock.flow._checkpoint_files import CheckpointVersion, VersionWriter, locked
from penstock.flow._errors import CheckpointError
from penstock.flow._message import Message, Place
from penstock.flow._plan import FlowPlan
from penstock.flow._settled import Settled, Tracker, placed
from penstock.flow._sink import ProgressSink
from penstock.flow._source import SeekableSource, Source, call_in_thread
from penstock.flow._source_cursor import resumable
from penstock.flow._state import CheckpointState, LaneState, packed, unpacked

V = TypeVar("V")
_LOG = logging.getLogger("penstock.flow")
_OTHER = (
    "give this flow a directory of its own, or remove the old progress to begin anew, "
    "which delivers everything again"
)


class Checkpointer:
    """The checkpoints of one run: opened before the first pull, written as messages are settled."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        flow: str,
        sources: Sequence[SeekableSource[Any]],
        sink: ProgressSink[Any] | None,
        clock: Clock,
    ) -> None:
        self._checkpoint = checkpoint
        self._flow = flow
        self._sources = _SourceLanes(sources)
        self._sink = sink
        self._clock = clock
        self.tracker = Tracker({})
        self.at_risk: Callable[[], int] = lambda: 0
        self._held = ExitStack()
        self._writer: VersionWriter | None = None
        self._writing: asyncio.Future[None] | None = None
        self._settled_before = 0
        self._saved = self._saved_risk = 0
        self._states: dict[str, LaneState] = {}
        self._enough = asyncio.Event()
        self._room = asyncio.Event()

    @property
    def full(self) -> bool:
        """Whether so much is settled and not on disk that the source must wait."""
        return self.tracker.settled - self._saved >= 2 * self._checkpoint.acks

    async def wait_room(self) -> None:
        """Return after the next checkpoint."""
        self._room.clear()
        self._enough.set()
        await self._room.wait()

    def resumed(self) -> "list[ResumedSource]":
        """The sources as the flow is to pull from them."""
        return [ResumedSource(source, prefix, self) for prefix, source in self._sources.named]

    async def open(self) -> None:
        """Take the directory, and have the source go on from the state there, or from the sink's.

        Raises:
            CheckpointError: The directory is in use, damaged or another flow's, or the source has changed.
        """
        checkpoint, place = self._checkpoint, str(self._checkpoint.directory)
        await call_in_thread(
            f"{self._flow}/checkpoint",
            lambda: self._held.enter_context(locked(checkpoint.directory)),
        )
        versions = checkpoint.versions()
        state = checkpoint.newest()
        self._writer = VersionWriter(checkpoint.directory, versions, checkpoint.failpoints)
        _say_damaged(versions, state)
        if self._sink is not None:
            progress = await self._sink.kept_progress()
            # The sink wins: what it does not know of was not kept, whatever the directory says.
            state = None if progress is None else unpacked(progress, "the progress in the sink")
            place = "the progress in the sink"
        if state is not None:
            self._check(state, place)
            self._settled_before = state.settled
            _say_lost(state)
            self._states = dict(state.lanes)
            self.tracker.lanes = {name: lane.settled() for name, lane in state.lanes.items()}
        marks = {name: (lane.frontier, lane.mark) for name, lane in self._states.items()}
        await self._sources.seek(marks)
        self.tracker.on_settled = self._count

    async def run(self) -> None:
        """Write a checkpoint whenever it is time, until cancelled."""
        while True:
            enough = asyncio.create_task(self._enough.wait())
            timer = asyncio.create_task(self._clock.sleep(self._checkpoint.every))
            try:
                await asyncio.wait((enough, timer), return_when=asyncio.FIRST_COMPLETED)
            finally:
                enough.cancel()
                timer.cancel()
            await self.write()

    async def write(self) -> None:
        """Write what is settled, unless that is on disk already.

        A cancelled caller leaves the writing under way; the next one waits for its end.
        """
        while self._writing is not None:
            writing = self._writing
            await asyncio.wait([writing])
            # Whether it failed matters no more: what it did not write is written now.
            writing.exception()
            if self._writing is writing:
                self._writing = None
        self._enough.clear()
        writer, settled = self._writer, self.tracker.settled
        if writer is None or (settled, self.at_risk()) == (self._saved, self._saved_risk):
            return
        self._writing = asyncio.create_task(
            self._write(writer, settled), name=f"{self._flow}/checkpoint"
        )
        await asyncio.shield(self._writing)

    async def _write(self, writer: VersionWriter, settled: int) -> None:
        changed, self.tracker.changed = self.tracker.changed, set()
        try:
            lanes = await self._lanes(self.tracker.lanes, changed)
        except BaseException:
            self.tracker.changed |= changed
            raise
        self._states.update(lanes)
        state = self._state(self._states, settled, writer.next_number())
        await call_in_thread(f"{self._flow}/checkpoint", lambda: writer.write(state))
        self._saved, self._saved_risk = settled, state.at_risk
        self._room.set()

    async def progress_with(self, messages: Sequence[Message[Any]]) -> bytes:
        """The progress as it is once these source messages are settled too."""
        settled = self.tracker.settled + len(messages)
        lanes, changed = self.tracker.with_settled(messages)
        states = {**self._states, **await self._lanes(lanes, changed)}
        return packed(self._state(states, settled, 0))

    async def aclose(self) -> None:
        """Write the last checkpoint, and let others have the directory."""
        try:
            await self.write()
        finally:
            self._held.close()

    async def _lanes(
        self, lanes: Mapping[str, Settled], changed: Iterable[str]
    ) -> dict[str, LaneState]:
        """The states of those lanes, all of the same instant."""
        snapshot = [
            (name, lanes[name].frontier, tuple(lanes[name].beyond)) for name in sorted(changed)
        ]
        marks = await self._sources.marks({name: frontier for name, frontier, _ in snapshot})
        return {
            name: LaneState(frontier=frontier, beyond=beyond, mark=marks.get(name, ""))
            for name, frontier, beyond in snapshot
        }

    def _state(self, lanes: Mapping[str, LaneState], settled: int, number: int) -> CheckpointState:
        return CheckpointState(
            flow=self._flow,
            source=self._sources.identity,
            number=number,
            at=self._clock.now(),
            settled=self._settled_before + settled,
            at_risk=self.at_risk(),
            lanes=lanes,
        )

    def _count(self) -> None:
        if self.tracker.settled - self._saved >= self._checkpoint.acks:
            self._enough.set()

    def _check(self, state: CheckpointState, place: str) -> None:
        """Whether the state is of this flow and this source."""
        for what, theirs, ours in (
            ("flow", state.flow, self._flow),
            ("source", state.source, self._sources.identity),
        ):
            if theirs != ours:
                raise CheckpointError(
                    place,
                    f"it holds the progress of the {what} {theirs!r}, not of {ours!r}",
                    _OTHER,
                )


def _say_lost(state: CheckpointState) -> None:
    if state.at_risk:
        _LOG.warning(
            "up to %d messages were acknowledged early and had not ended when the last run of %s did: they are lost",
            state.at_risk,
            state.flow,
        )


def _say_damaged(versions: list[CheckpointVersion], state: CheckpointState | None) -> None:
    for version in versions:
        if version.state is not None or state is None:
            return
        _LOG.warning(
            "%s; going on from version %d of %s: what was settled since is delivered again",
            version.problem,
            state.number,
            state.at.isoformat(timespec="seconds"),
        )


class _SourceLanes:
    """Several sources as one: the lanes of each have its number before their names."""

    def __init__(self, sources: Sequence[SeekableSource[Any]]) -> None:
        several = len(sources) > 1
        self.named = [
            (f"source{number}/" if several else "", source)
            for number, source in enumerate(sources, start=1)
        ]

    @property
    def identity(self) -> str:
        return " and ".join(source.identity for _, source in self.named)

    async def seek(self, lanes: Mapping[str, tuple[Place | None, str]]) -> None:
        for prefix, source in self.named:
            await source.seek(_below(prefix, lanes))

    async def marks(self, frontiers: Mapping[str, Place | None]) -> dict[str, str]:
        found = {}
        for prefix, source in self.named:
            own = _below(prefix, frontiers)
            for lane, mark in (await source.marks(own)).items() if own else ():
                found[prefix + lane] = mark
        return found


def _below(prefix: str, lanes: Mapping[str, V]) -> dict[str, V]:
    return {
        name.removeprefix(prefix): value for name, value in lanes.items() if name.startswith(prefix)
    }


class ResumedSource(Source[Any]):
    """A source that leaves out what an earlier run settled, and waits for checkpoints that are late."""

    def __init__(
        self, source: SeekableSource[Any], prefix: str, checkpointer: Checkpointer
    ) -> None:
        self._source = source
        self._prefix = prefix
        self._checkpointer = checkpointer

    async def pull(self, demand: int) -> Sequence[Message[Any]]:
        while self._checkpointer.full:
            await self._checkpointer.wait_room()
        messages = await self._source.pull(demand)
        if self._prefix:
            for message in messages:
                lane, start, end = placed(message)
                message.offset = (self._prefix + lane, start, end)
        return self._checkpointer.tracker.unsettled(messages)

    async def ack(self, messages: Sequence[Message[Any]]) -> None:
        await self._source.ack(messages)

    async def nack(self, messages: Sequence[Message[Any]]) -> None:
        await self._source.nack(messages)

    async def aclose(self) -> None:
        await self._source.aclose()


def checkpointer_of(plan: FlowPlan) -> Checkpointer | None:
    """What keeps the progress of a flow; None where nothing does. Items without offsets are numbered."""
    options = plan.options
    if options.checkpoint is None:
        return None
    sources = [
        origin.source if isinstance(origin.source, SeekableSource) else resumable(origin.source)
        for origin in plan.origins
    ]
    functions: list[Any] = [stage.function for stage in plan.stages]
    if options.early_ack and any(isinstance(function, ProgressSink) for function in functions):
        text = "a sink that keeps the progress with the data gives exactly once, ack='early' at most once; remove one"
        raise ConfigError((Problem("<python>", 0, options.name, text),))
    sinks = [function for function in functions if isinstance(function, ProgressSink)]
    return Checkpointer(
        options.checkpoint, options.name, sources, sinks[0] if sinks else None, options.clock
    )
