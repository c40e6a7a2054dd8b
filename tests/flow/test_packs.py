"""Batches of a source that wants no acks: as if each message travelled alone."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock import Flow, RetryPolicy, merge, stage
from penstock.flow import Context, Drop

SOON = RetryPolicy(maximum_attempts=2, initial_interval="0s", maximum_interval="0s")
POOLS = ["async", "async", "thread"]

Step = tuple[str, dict[str, Any]]


def outcome(kind: str, number: int) -> int | type[Exception] | None:
    """What a stage makes of a number: another, nothing, or an error."""
    if kind == "drop" and number % 5 == 1:
        return None
    if kind == "fail" and number % 7 == 2:
        return ValueError
    return number * 2 + 1 if kind == "double" else number


def made(kind: str, number: int) -> Any:
    what = outcome(kind, number)
    if what is ValueError:
        raise ValueError(number)
    return Drop("five") if what is None else what


def stage_of(step: Step) -> Any:
    kind, options = step
    if "batch" in options:

        def each(numbers: list[int]) -> list[Any]:
            return [made(kind, number) for number in numbers]

        return stage(name=kind, **options)(each)

    async def one(number: int) -> Any:
        if number % 3 == 0:
            await asyncio.sleep(0)
        return made(kind, number)

    return stage(name=kind, **options)(one)


def expected(steps: list[Step], numbers: list[int]) -> tuple[list[int], list[str], int]:
    """What is delivered, the ids of the dead, and how many are filtered."""
    delivered, dead, filtered = [], [], 0
    for place, start in enumerate(numbers):
        number: Any = start
        for kind, _ in steps:
            number = outcome(kind, number)
            if not isinstance(number, int):
                break
        if isinstance(number, int):
            delivered.append(number)
        elif number is None:
            filtered += 1
        else:
            dead.append(str(place))
    return sorted(delivered), sorted(dead), filtered


kinds = st.sampled_from(["pass", "double", "drop", "fail"])
batches = st.fixed_dictionaries(
    {
        "batch": st.integers(1, 5),
        "within": st.just("1ms"),
        "workers": st.integers(1, 3),
        "pool": st.sampled_from(POOLS),
        "retry": st.sampled_from([SOON, RetryPolicy(maximum_attempts=1)]),
    }
)
singles = st.fixed_dictionaries({"workers": st.integers(1, 2)})
steps = st.lists(st.tuples(kinds, batches | singles), max_size=4)


@settings(max_examples=80, deadline=None)
@given(
    numbers=st.lists(st.integers(0, 30), max_size=60),
    chain=steps,
    capacity=st.integers(1, 12),
    capacity_bytes=st.sampled_from([28, 100, 1 << 20]),
    last=st.integers(0, 4),
)
def test_batches_and_single_messages_end_as_a_plain_loop_says(
    numbers, chain, capacity, capacity_bytes, last
) -> None:
    """Delivered, filtered, or dead with its own id, through every mixture of stages and bounds."""
    out: list[int] = []
    sink: Any = stage(batch=last, within="1ms")(out.extend) if last else out.append

    flow = Flow("packs", capacity=capacity, capacity_bytes=capacity_bytes) | numbers
    for step in chain:
        flow = flow | stage_of(step)
    report = (flow | sink).run()

    delivered, dead, filtered = expected(chain, numbers)
    assert sorted(out) == delivered
    assert sorted(letter.message_id for letter in report.dead_letters) == dead
    assert (report.acked, report.filtered, report.dead) == (len(numbers), filtered, len(dead))
    assert report.statistics.balanced
    for one in report.stages.values():
        assert one.peak_items <= capacity
        assert one.peak_bytes <= max(capacity_bytes, 28)
        assert (one.in_hand, one.queue_items, one.queue_bytes) == (0, 0, 0)


def test_a_function_may_spoil_the_list_that_it_is_given() -> None:
    """It is tried again, in halves, with what was there."""
    out: list[int] = []

    @stage(batch=8)
    async def spoils(numbers: list[int]) -> list[int]:
        made = list(numbers)
        numbers.clear()
        if 5 in made:
            raise ValueError("five")
        return made

    report = (Flow("spoilt") | range(64) | spoils | stage(batch=8)(out.extend)).run()

    assert sorted(out) == [number for number in range(64) if number != 5]
    assert [letter.payload for letter in report.dead_letters] == [5]


def test_a_function_may_use_the_list_again_that_it_returns() -> None:
    """What waits below was made of what was in it then."""
    out: list[int] = []
    buffer: list[int] = []

    @stage(batch=4)
    async def reuses(numbers: list[int]) -> list[int]:
        buffer[:] = numbers
        return buffer

    (Flow("reused") | range(64) | reuses | stage(batch=4)(out.extend)).run()

    assert out == list(range(64))


@pytest.mark.parametrize("wrong", [list, lambda numbers: numbers[1:], iter])
def test_a_batch_with_too_few_results_is_dead_with_the_ids_of_its_messages(
    wrong: Callable[[Any], Any],
) -> None:
    """As many results as messages, in a list or a tuple; what else is returned is nobody's result."""

    @stage(batch=4)
    async def short(numbers: list[int]) -> Any:
        return wrong(numbers) if numbers[0] >= 4 else tuple(numbers)

    report = (Flow("short") | range(8) | short | stage(batch=4)(list)).run()

    dead = [] if wrong is list else [str(number) for number in range(4, 8)]
    assert [letter.message_id for letter in report.dead_letters] == dead
    assert report.acked == 8


@pytest.mark.parametrize("batch", [3, 7, 8])
def test_whoever_finds_no_room_waits_and_loses_nothing(batch: int) -> None:
    """What is above a slow stage stands still with whole packs in hand, and all of them are counted."""
    out: list[int] = []
    most = 0

    async def scenario() -> Any:
        nonlocal most

        @stage(batch=4)
        async def quick(numbers: list[int]) -> list[int]:
            return numbers

        @stage(batch=batch, within="1ms")
        async def slow(numbers: list[int]) -> None:
            nonlocal most
            for _ in range(3):
                await asyncio.sleep(0)
            out.extend(numbers)
            statistics = running.statistics()
            assert statistics.balanced
            most = max(most, statistics.stages["quick"].in_hand)

        async with (Flow("slow", capacity=8) | range(200) | quick | slow).start() as running:
            return await running.wait()

    report = asyncio.run(scenario())

    assert (out, report.acked) == (list(range(200)), 200)
    assert most == 4


def test_what_is_due_again_is_not_kept_waiting_by_packs() -> None:
    """More and more may come; the retry of one message goes before all of it."""
    calls: list[list[int]] = []

    @stage(batch=4, retry=SOON)
    async def fails_once(numbers: list[int]) -> list[int]:
        again = [2] in calls
        calls.append(numbers)
        await asyncio.sleep(0)
        if 2 in numbers and not again:
            raise OSError("once more, please")
        return numbers

    report = (Flow("again", capacity=400) | range(400) | fails_once | stage(batch=4)(list)).run()

    first, second = (place for place, numbers in enumerate(calls) if numbers == [2])
    assert second - first < 10
    assert (report.acked, report.dead) == (400, 0)


def test_a_collective_batch_is_made_of_all_its_messages() -> None:
    """One result for many is no result too few."""
    out: list[int] = []

    @stage(batch=4, collective=True)
    async def total(numbers: list[int]) -> list[int]:
        return [sum(numbers)]

    report = (Flow("totals") | range(8) | total | out.append).run()

    assert (out, report.acked, report.dead) == ([6, 22], 8, 0)


def test_a_batch_with_a_context_knows_the_ids_of_its_messages() -> None:
    """They are the numbers that the source has given."""
    seen: list[tuple[str, ...]] = []

    @stage(batch=3)
    def note(numbers: list[int], ctx: Context) -> None:
        seen.append(ctx.message_ids)

    (Flow("ids") | [7, 7, 7, 8, 8] | note).run()

    assert seen == [("0", "1", "2"), ("3", "4")]


def test_ids_of_several_sources_do_not_collide() -> None:
    """Each begins with the name of its source, batched or not."""

    @stage(batch=2)
    def refuse(numbers: list[int]) -> None:
        raise ValueError(numbers)

    report = (Flow("two") | merge([1, 2], [3, 4]) | refuse).run()

    ids = sorted(letter.message_id for letter in report.dead_letters)
    assert ids == ["source1.0", "source1.1", "source2.0", "source2.1"]


def test_batches_that_are_acknowledged_early_are_counted_as_taken() -> None:
    """What a crash would lose is what was taken and has not ended: never less than nothing."""
    risks: list[int] = []

    async def scenario() -> Any:
        @stage(batch=4)
        async def look(numbers: list[int]) -> None:
            risks.append(running._ledger.at_risk)

        async with (Flow("early", ack="early", capacity=8) | range(32) | look).start() as running:
            return await running.wait()

    report = asyncio.run(scenario())

    assert (report.acked, report.lost) == (32, 0)
    assert all(4 <= risk <= 16 for risk in risks)


def test_a_drain_loses_nothing_that_travels_in_packs() -> None:
    """All that was pulled is delivered, and nothing else."""

    async def scenario() -> tuple[list[int], Any]:
        out: list[int] = []
        half = asyncio.Event()

        @stage(batch=16)
        async def see(numbers: list[int]) -> None:
            out.extend(numbers)
            await asyncio.sleep(0)
            if len(out) > 200:
                half.set()

        @stage(batch=8)
        async def one(numbers: list[int]) -> list[int]:
            await asyncio.sleep(0)
            return numbers

        async with (Flow("drained", capacity=64) | range(10**9) | one | see).start() as running:
            await half.wait()
            return out, await running.drain()

    out, report = asyncio.run(scenario())

    assert out == list(range(report.acked))
    assert (report.ending, report.in_flight) == ("drained", 0)
