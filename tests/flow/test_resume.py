"""Going on after a stop: what was settled is not delivered again, what was not settled is."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from penstock import Drop, FatalError, Flow, Message, PoisonError, RetryPolicy, stage
from penstock.base import ConfigError
from penstock.flow import (
    Checkpoint,
    EndOfSource,
    FlowFailedError,
    ProgressSink,
    merge,
    read_lines,
    tee,
)
from penstock.testing import FakeClock, ListSink, ListSource


def settled(directory: Path) -> set[int]:
    """The numbers that the state on disk says are settled."""
    state = Checkpoint(directory).newest()
    if state is None:
        return set()
    lane = state.lanes["items"].settled()
    return {number for number in range(1000) if number + 1 in lane}


def test_acks_in_any_order_are_kept_as_a_frontier_and_what_is_beyond(tmp_path: Path) -> None:
    """A slow head holds the frontier back, and does not have the others delivered again."""

    async def scenario() -> None:
        release, rows = asyncio.Event(), list[int]()

        @stage(workers=4)
        async def slow_head(number: int) -> int:
            if number == 1:
                await release.wait()
            return number

        flow = Flow("f", checkpoint=Checkpoint(tmp_path, acks=1)) | range(5) | slow_head
        async with (flow | rows.append).start() as running:
            while settled(tmp_path) != {0, 2, 3, 4}:
                await asyncio.sleep(0.001)
            state = Checkpoint(tmp_path).newest()
            assert state is not None
            assert (state.lanes["items"].frontier, state.lanes["items"].beyond) == (1, ((2, 5),))
            await running.cancel()

    asyncio.run(scenario())
    rows: list[int] = []
    (Flow("f", checkpoint=tmp_path) | range(7) | rows.append).run()

    assert rows == [1, 5, 6]


@pytest.mark.parametrize("ending", ["drain", "cancel", "fatal"])
def test_however_a_run_ends_it_leaves_a_checkpoint_of_all_that_is_settled(
    tmp_path: Path, ending: str
) -> None:
    """A drain settles all that was pulled but what is in backoff; the next run gets exactly the rest."""
    rows: list[int] = []

    async def scenario() -> None:
        reached = asyncio.Event()

        @stage(
            retry=RetryPolicy(maximum_attempts=0, initial_interval="1h", maximum_interval="1h"),
            workers=2,
        )
        async def fails_on_fives(number: int) -> int:
            if number == 20:
                reached.set()
                await asyncio.sleep(0)
            if number == 25 and ending == "fatal":
                raise FatalError("stop")
            if number % 5 == 0:
                raise OSError("later")
            return number

        flow = Flow("f", capacity=8, checkpoint=tmp_path) | range(40) | fails_on_fives
        running = (flow | rows.append).start()
        await reached.wait()
        if ending == "fatal":
            with pytest.raises(FlowFailedError):
                await running.wait()
        else:
            await (running.drain() if ending == "drain" else running.cancel())

    asyncio.run(scenario())

    done = settled(tmp_path)
    assert done == set(rows)
    assert not {0, 5, 10, 15} & done
    again: list[int] = []
    (Flow("f", checkpoint=tmp_path) | range(40) | again.append).run()
    assert again == [number for number in range(40) if number not in done]


def test_filtered_and_dead_messages_are_settled_too(tmp_path: Path) -> None:
    """A dead letter is durable by then; to work on it again is a command of its own."""

    def choose(number: int) -> int | Drop:
        if number == 3:
            raise PoisonError("three")
        return Drop() if number == 2 else number

    report = (Flow("f", checkpoint=tmp_path) | range(5) | choose | print).run()

    assert (report.filtered, report.dead) == (1, 1)
    assert settled(tmp_path) == {0, 1, 2, 3, 4}


def test_a_message_is_settled_with_the_last_of_its_children(tmp_path: Path) -> None:
    """Not with the first: the others would be lost."""

    def twice(number: int):
        yield from (number, -number)

    def fails(number: int) -> int:
        if number == -2:
            raise FatalError("stop")
        return number

    with pytest.raises(FlowFailedError):
        (Flow("f", checkpoint=tmp_path) | [1, 2, 3] | twice | fails | (lambda _: None)).run()

    assert 1 not in settled(tmp_path)


def test_a_checkpoint_is_written_in_time_even_if_little_is_settled(tmp_path: Path) -> None:
    """On the flow's clock."""

    async def scenario() -> None:
        clock, hold = FakeClock(), asyncio.Event()

        async def second_waits(number: int) -> int:
            if number:
                await hold.wait()
            return number

        flow = Flow("f", clock=clock, checkpoint=Checkpoint(tmp_path, every="10s")) | range(2)
        async with (flow | second_waits | (lambda _: None)).start() as running:
            while not running.statistics().delivered:
                await asyncio.sleep(0.001)
            await clock.advance(9)
            assert settled(tmp_path) == set()
            await clock.advance(1)
            while settled(tmp_path) != {0}:
                await asyncio.sleep(0.001)
            hold.set()
            await running.wait()

    asyncio.run(scenario())


def test_the_source_waits_while_checkpoints_are_late(tmp_path: Path) -> None:
    """What a crash repeats has a bound: twice the acks between two checkpoints, and what is in flight."""

    async def scenario() -> tuple[int, int]:
        reached, hold = asyncio.Event(), asyncio.Event()
        checkpoint = Checkpoint(tmp_path, every="1h", acks=10)
        source = HeldMarks(range(500), reached, hold)
        flow = Flow("f", checkpoint=checkpoint, capacity=4) | source | (lambda _: None)
        async with flow.start() as running:
            await reached.wait()
            before = -1
            while running.statistics().delivered != before:
                before = running.statistics().delivered
                await asyncio.sleep(0.05)
            hold.set()
            report = await running.wait()
        return before, report.delivered

    held, delivered = asyncio.run(scenario())

    assert held <= 2 * 10 + 2 * 4
    assert delivered == 500


class HeldMarks:
    """Numbers, whose marks for a checkpoint take their time."""

    identity = "held"

    def __init__(self, numbers: range, reached: asyncio.Event, hold: asyncio.Event) -> None:
        self.numbers = list(numbers)
        self.reached, self.hold = reached, hold

    async def pull(self, demand: int) -> Sequence[Message[int]]:
        if not self.numbers:
            raise EndOfSource
        given, self.numbers = self.numbers[:demand], self.numbers[demand:]
        return [Message(number, number, ("one", number, number + 1)) for number in given]

    async def ack(self, messages: Sequence[Message[int]]) -> None: ...

    async def nack(self, messages: Sequence[Message[int]]) -> None: ...

    async def aclose(self) -> None: ...

    async def seek(self, lanes: Any) -> None: ...

    async def marks(self, frontiers: Any) -> dict[str, str]:
        self.reached.set()
        await self.hold.wait()
        return dict.fromkeys(frontiers, "")


def test_a_source_without_offsets_is_refused_with_a_checkpoint() -> None:
    """Before anything is read."""
    with pytest.raises(
        ConfigError, match="ListSource cannot go on from a checkpoint: it has no offsets"
    ):
        (Flow("f", checkpoint="x") | ListSource([1]) | print).run()


def test_a_source_that_forgets_an_offset_is_named(tmp_path: Path) -> None:
    """It says that it can seek, and gives a message without a place."""

    class Forgets(HeldMarks):
        async def pull(self, demand: int) -> Sequence[Message[int]]:
            return [Message(1, 7)]

    event = asyncio.Event
    with pytest.raises(FlowFailedError, match="message 7 has no offset; a source that can seek"):
        (Flow("f", checkpoint=tmp_path) | Forgets(range(1), event(), event()) | print).run()


class Table(ListSink[int], ProgressSink[int]):
    """Keeps rows and progress in one place; `die_after` says after which commit its process dies."""

    def __init__(self, die_after: int = 1 << 30, before: "Table | None" = None) -> None:
        super().__init__()
        self.committed = list(before.committed) if before else []
        self.progress: bytes | None = before.progress if before else None
        self._next: bytes | None = None
        self._die_after = die_after

    async def kept_progress(self) -> bytes | None:
        return self.progress

    async def keep_progress(self, progress: bytes) -> None:
        self._next = progress

    async def commit(self) -> None:
        await super().commit()
        self.progress = self._next
        if self.commits == self._die_after:
            raise FatalError("the process dies after the commit, before the flow hears of it")


def test_a_sink_that_keeps_the_progress_has_every_row_once(tmp_path: Path) -> None:
    """Whatever happens between its commit and the checkpoint: the sink wins."""
    table = Table(die_after=2)
    for _ in range(4):
        with pytest.raises(FlowFailedError, match="after the commit"):
            (Flow("f", capacity=5, checkpoint=tmp_path) | range(60) | table).run()
        # The directory knows of one commit less than the table.
        assert settled(tmp_path) < set(table.committed)
        table = Table(die_after=2, before=table)

    (Flow("f", checkpoint=tmp_path) | range(60) | (last := Table(before=table))).run()

    assert last.committed == list(range(60))


def test_a_sink_that_was_put_back_gets_what_it_lacks(tmp_path: Path) -> None:
    """A database restored from yesterday's backup: the directory's progress does not count."""
    first = Table()
    (Flow("f", checkpoint=tmp_path) | range(10) | first).run()
    backup = Table(before=first)
    (Flow("f", checkpoint=tmp_path) | range(20) | Table(before=first)).run()

    (Flow("f", checkpoint=tmp_path) | range(30) | backup).run()

    assert backup.committed == list(range(30))


def test_an_empty_sink_begins_at_the_beginning(tmp_path: Path) -> None:
    """Nothing was kept, so nothing is settled."""
    (Flow("f", checkpoint=tmp_path) | range(5) | Table()).run()

    (Flow("f", checkpoint=tmp_path) | range(5) | (empty := Table())).run()

    assert empty.committed == list(range(5))


def test_progress_with_a_commit_counts_children_and_batches(tmp_path: Path) -> None:
    """A source message is in it when all that came of it is committed, and not before."""

    def twice(number: int):
        yield from (number, number)

    @stage(batch=4, collective=True, within="1ms")
    def total(numbers: list[int]) -> list[int]:
        return [sum(numbers)]

    table = Table(die_after=1)
    flow = Flow("f", capacity=4, checkpoint=tmp_path) | range(1, 13) | twice | total
    with pytest.raises(FlowFailedError):
        (flow | table).run()
    (flow | (last := Table(before=table))).run()

    assert sum(last.committed) == 2 * sum(range(1, 13))


def test_each_of_several_sources_goes_on_where_it_was(tmp_path: Path) -> None:
    """Lanes of one name do not get mixed up; a new run may not swap the sources."""
    (tmp_path / "a.txt").write_text("1\n2\n")

    def run(numbers: int) -> list[object]:
        rows: list[object] = []
        source = merge(range(10, 10 + numbers), read_lines(tmp_path / "a.txt"), range(100, 102))
        (Flow("f", checkpoint=tmp_path / "state") | source | rows.append).run()
        return sorted(rows, key=str)

    assert run(3) == sorted([10, 11, 12, "1", "2", 100, 101], key=str)
    assert run(5) == [13, 14]

    swapped = merge(read_lines(tmp_path / "a.txt"), range(10))
    with pytest.raises(
        FlowFailedError, match="progress of the source 'items by number and lines of"
    ):
        (Flow("f", checkpoint=tmp_path / "state") | swapped | print).run()


def test_a_copy_in_one_branch_does_not_settle_its_message(tmp_path: Path) -> None:
    """It is settled when the other branch is done with it too, also in the progress that a sink keeps."""

    def fails(number: int) -> int:
        if number == 2:
            raise FatalError("stop")
        return number

    rows: list[int] = []
    table = Table()
    flow = Flow("f", capacity=2, checkpoint=tmp_path) | range(6)
    with pytest.raises(FlowFailedError):
        (flow | tee(table, [fails, rows.append])).run()
    (flow | tee(Table(before=table), rows.append)).run()

    assert set(rows) == set(range(6))


def test_only_one_sink_can_keep_the_progress() -> None:
    """Two could not agree."""
    with pytest.raises(
        ConfigError, match=r"several sinks would keep the progress \(Table, Table\)"
    ):
        (Flow("f", checkpoint="x") | range(3) | tee(Table(), Table())).run()
