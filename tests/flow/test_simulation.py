"""Random flows in virtual time, reordered, hurt, stopped and crashed; and what that has found."""

import asyncio
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from penstock import Flow, RetryPolicy, stage
from penstock.flow import Context, FlowFailedError, FlowReport
from penstock.testing import (
    FaultPlan,
    ListSink,
    ListSource,
    SimulatedLoop,
    SimulationError,
    simulate,
)
from tests.flow.random_flows import run

SEEDS = 10_000
SOAK_SEEDS = 1_000_000
BLOCKS = 10
AGAIN = RetryPolicy(maximum_attempts=0, initial_interval="1h", maximum_interval="1h")


def run_all(seeds: range) -> Counter[str]:
    """Simulate them all; how their lives ended."""
    endings: Counter[str] = Counter()
    for seed in seeds:
        try:
            _, history = run(seed)
        except SimulationError as error:
            command = f"python -m tests.flow.random_flows {seed}"
            raise AssertionError(f"{error}\nsee it again by: {command}") from error
        endings.update(life.ending for life in history.lives)
    return endings


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("block", range(BLOCKS))
def test_random_flows_keep_their_promises_in_every_history(block: int) -> None:
    """Outcomes balance at every step; each message ends once, and is acknowledged after that; no
    channel overflows, no task is left, order is kept where that is promised, everything ends."""
    share = SEEDS // BLOCKS

    endings = run_all(range(block * share, (block + 1) * share))

    assert endings["finished"] == share
    assert min(endings[one] for one in ("drained", "cancelled", "failed", "crashed")) > share // 100


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("half", [0, 1])
def test_a_million_random_flows_keep_their_promises(
    half: int, record_property: Callable[[str, object], None]
) -> None:
    """Seeds that the daily run does not reach."""
    first = SEEDS + half * SOAK_SEEDS // 2

    endings = run_all(range(first, first + SOAK_SEEDS // 2))

    record_property("seeds", SOAK_SEEDS // 2)
    for ending, count in sorted(endings.items()):
        record_property(f"lives {ending}", count)


def test_a_seed_gives_the_same_history_in_every_process() -> None:
    """A failing seed can be looked at for as long as it takes, under any hash seed of Python."""
    _, history = run(11)

    told = subprocess.run(
        [sys.executable, "-m", "tests.flow.random_flows", "11"],
        env={"PYTHONHASHSEED": "1", "PATH": ""},
        check=True,
        capture_output=True,
        text=True,
    ).stdout

    assert told.endswith("".join(f"{life}\n" for life in history.lives))


def test_a_users_flow_is_simulated_as_it_is() -> None:
    """Its stages are called with their faults, its source is replaced, and it runs until all is acked."""
    rows: list[int] = []

    @stage(workers=3, retry=RetryPolicy(maximum_attempts=5), order="input")
    async def double(number: int) -> int:
        await asyncio.sleep(number % 3)
        return 2 * number

    flow = Flow("mine", capacity=4) | [] | double | rows.append
    history = simulate(flow, range(50), seed=3, faults=FaultPlan(fail=0.2))

    assert sum(len(life.acked) for life in history.lives) == 50
    assert set(rows) <= {2 * number for number in range(50)}
    assert history.report.ending == "finished"


def test_a_simulated_stage_is_given_its_context() -> None:
    """As it is named by the function, and not by what adds the faults."""
    attempts: set[int] = set()

    @stage(retry=RetryPolicy(maximum_attempts=3))
    async def look(number: int, ctx: Context) -> int:
        attempts.add(ctx.attempt)
        return number

    simulate(
        Flow("context") | [] | look | [].append,
        range(50),
        seed=1,
        faults=FaultPlan(fail=0.3, interrupt=0),
    )

    assert {1, 2} <= attempts


def test_a_stage_that_needs_threads_is_refused_with_the_way_out() -> None:
    """A thread has its own time."""
    flow = Flow("threads") | [] | stage(pool="thread")(str) | print

    with pytest.raises(SimulationError, match=r"stages str of flow 'threads'.*pool='async'"):
        simulate(flow, [1], seed=0)


def simulated(flow: Flow, act: Callable[[Any], Any] | None = None, seed: int = 0) -> FlowReport:
    """Run in virtual time; `act` is awaited beside it, with the running flow."""
    loop = SimulatedLoop(seed)

    async def scenario() -> FlowReport:
        async with flow.with_clock(loop.clock).start() as running:
            if act is not None:
                await act(running)
            return await running.wait()

    report = loop.run(scenario())
    assert loop.pending == []
    return report


@pytest.mark.parametrize("options", [{}, {"timeout": "1s"}, {"batch": 2, "within": "1s"}])
def test_a_cancellation_that_nobody_asked_for_fails_the_attempt(options: dict[str, Any]) -> None:
    """It would otherwise end the worker without a word, and the flow would wait for it for ever."""
    rows: list[Any] = []

    async def odd(payload: Any) -> Any:
        if payload == 2 or (isinstance(payload, list) and 2 in payload):
            raise asyncio.CancelledError
        return payload

    report = simulated(Flow("within") | [1, 2, 3] | stage(**options)(odd) | rows.append)

    assert rows == [1, 3]
    assert [letter.error_class for letter in report.dead_letters] == ["StageCancelledError"]


def test_a_write_that_is_cancelled_within_fails_its_messages() -> None:
    """As a stage."""

    class Odd(ListSink[int]):
        async def write(self, messages: Any) -> None:
            if any(message.payload == 2 for message in messages):
                raise asyncio.CancelledError
            await super().write(messages)

    report = simulated(Flow("write") | ListSource([1, 2, 3]) | (sink := Odd()))

    assert sorted(sink.committed) == [1, 3]
    assert report.dead == 1


def test_a_source_that_is_cancelled_within_fails_the_flow() -> None:
    """Its end would otherwise never come."""

    class Odd(ListSource[int]):
        async def pull(self, demand: int) -> Any:
            raise asyncio.CancelledError

    with pytest.raises(FlowFailedError, match="nobody cancelled it"):
        simulated(Flow("pull") | Odd([1]) | print)


@pytest.mark.parametrize("answer", ["an error", "a result"])
def test_a_function_that_makes_something_else_of_its_time_out_works_on(answer: str) -> None:
    """The worker is not taken for cancelled at the next message."""
    rows: list[int] = []

    @stage(timeout="1s")
    async def stubborn(number: int) -> int:
        try:
            await asyncio.sleep(0 if number else 10)
        except asyncio.CancelledError:
            if answer == "an error":
                raise OSError("interrupted") from None
        return number

    report = simulated(Flow("stubborn") | [0, 1, 0, 2] | stubborn | rows.append)

    late = [] if answer == "an error" else [0]
    assert rows == [*late, 1, *late, 2]
    assert {letter.error_class for letter in report.dead_letters} <= {"StageTimeoutError"}


@pytest.mark.parametrize("answer", ["an error", "a result"])
@pytest.mark.parametrize("options", [{}, {"timeout": "1h"}, {"retry": AGAIN}])
def test_a_cancel_ends_a_flow_whose_stage_does_not_heed_it(
    answer: str, options: dict[str, Any]
) -> None:
    """The attempt ends as it likes; the worker begins no other, and the flow counts as cancelled."""
    begun: list[int] = []

    async def stubborn(number: int) -> int:
        begun.append(number)
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            if answer == "an error":
                raise OSError("interrupted") from None
        return number

    async def cancel(running: Any) -> None:
        await asyncio.sleep(5)
        running.begin_cancel()

    source = ListSource(list(range(10)))
    report = simulated(Flow("deaf") | source | stage(**options)(stubborn) | print, cancel)

    assert (report.ending, begun) == ("cancelled", [0])
    assert sorted(map(int, source.acked + source.nacked)) == list(range(10))


def test_a_time_out_while_waiting_for_room_loses_no_output() -> None:
    """What a streaming stage hands on to a slow one is not interrupted, nor counted against its time."""
    rows: list[int] = []

    @stage(streaming=True, timeout="1s")
    async def numbers(count: int) -> AsyncIterator[int]:
        for number in range(count):
            yield number

    async def slow(number: int) -> None:
        await asyncio.sleep(5)
        rows.append(number)

    source = ListSource([6])
    report = simulated(Flow("room", capacity=1) | source | numbers | slow)

    assert rows == list(range(6))
    assert (report.dead, report.delivered, source.acked) == (0, 6, ["0"])


@pytest.mark.parametrize("seed", range(20))
def test_a_drain_in_the_moment_of_a_failure_hands_the_message_back(seed: int) -> None:
    """The task that waits for the next attempt may be cancelled before its first step."""
    drain: list[Callable[[], None]] = []

    @stage(retry=AGAIN)
    async def fails(number: int) -> int:
        asyncio.get_running_loop().call_soon(drain[0])
        raise OSError("later")

    async def act(running: Any) -> None:
        drain.append(lambda: running.begin_drain(None))

    source = ListSource([1])
    report = simulated(Flow("moment") | source | fails | print, act, seed)

    assert (report.ending, report.in_flight, source.nacked) == ("drained", 1, ["0"])


def test_a_drain_after_the_end_leaves_no_task() -> None:
    """Its deadline has nothing to end."""

    async def act(running: Any) -> None:
        await running.wait()
        running.begin_drain(30)
        await running.wait()

    assert (
        simulated(Flow("late") | [1] | stage(pool="async")(str) | [].append, act).ending
        == "finished"
    )


def test_a_generator_that_makes_too_much_is_closed() -> None:
    """Not left to the garbage collector."""
    closed: list[str] = []

    @stage()
    async def many(number: int) -> AsyncIterator[int]:
        try:
            while True:
                yield number
        finally:
            closed.append("closed")

    with pytest.raises(FlowFailedError, match="streaming=True"):
        simulated(Flow("much", capacity=2) | [1] | many | print)
    assert closed == ["closed"]
