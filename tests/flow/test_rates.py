"""Rate limits: of one stage, of several stages, of several flows and threads."""

import asyncio
import threading
import time
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock import Flow, RateLimit, RetryPolicy, stage
from penstock.base import ConfigError
from penstock.testing import FakeClock, ListSink
from tests.flow.process_stages import twice

Begun = list[tuple[float, int]]


def check_bound(begun: Sequence[tuple[float, int]], rate: float, burst: int) -> None:
    """In no window have more begun than `rate` times its length, plus `burst`."""
    for first, (start, _) in enumerate(begun):
        total = 0
        for end, count in begun[first:]:
            total += count
            assert total <= rate * (end - start) + burst + 1e-3, (start, end, total)


@settings(max_examples=100, deadline=None)
@given(
    callers=st.lists(
        st.tuples(
            st.floats(0, 3),
            st.integers(1, 4),
            st.integers(1, 5),
            st.one_of(st.none(), st.floats(0, 2)),
        ),
        max_size=12,
    ),
    rate=st.sampled_from([0.5, 3.0, 10.0, 1000.0]),
    burst=st.integers(4, 6),
)
def test_no_window_sees_more_than_rate_times_time_plus_burst(callers, rate, burst) -> None:
    """Whoever asks, in whatever portions, and also where some give up waiting."""

    async def scenario() -> tuple[Begun, list[tuple[float, float]]]:
        clock = FakeClock(autojump=True)
        limit = RateLimit(f"{rate}/s", burst=burst)
        begun: Begun = []
        asked: list[tuple[float, float]] = []

        async def call(start: float, count: int, times: int) -> None:
            await clock.sleep(start)
            for _ in range(times):
                moment = clock.monotonic()
                await limit.acquire(count, clock=clock)
                begun.append((clock.monotonic(), count))
                asked.append((moment, clock.monotonic()))

        async def give_up(task: asyncio.Task[None], after: float) -> None:
            await clock.sleep(after)
            task.cancel()

        async with asyncio.TaskGroup() as group:
            for start, count, times, patience in callers:
                task = group.create_task(call(start, count, times))
                if patience is not None:
                    group.create_task(give_up(task, patience))
        return begun, asked

    begun, asked = asyncio.run(scenario())

    check_bound(begun, rate, burst)
    # First come, first served: nobody who asked later was let in earlier.
    assert all(
        first[1] <= second[1] + 1e-9 for first in asked for second in asked if first[0] < second[0]
    )


def test_no_time_is_lost_and_who_gives_up_costs_nothing() -> None:
    """Twenty at ten a second, five saved up: a second and a half, whatever others wanted."""

    async def scenario() -> float:
        clock, limit = FakeClock(autojump=True), RateLimit("10/s", burst=5)
        impatient = [asyncio.create_task(limit.acquire(5, clock=clock)) for _ in range(9)]
        await asyncio.sleep(0)
        for task in impatient[1:]:
            task.cancel()
        for _ in range(15):
            await limit.acquire(clock=clock)
        return clock.monotonic()

    assert asyncio.run(scenario()) == pytest.approx(1.5, abs=1e-3)


def test_more_than_the_burst_is_waited_for_in_portions() -> None:
    """A batch may be larger than what can be saved up."""

    async def scenario() -> float:
        clock = FakeClock(autojump=True)
        await RateLimit("10/s", burst=5).acquire(25, clock=clock)
        return clock.monotonic()

    assert asyncio.run(scenario()) == pytest.approx(2.0, abs=1e-3)


def begun_by(limit: Any, times: int = 30, **options: Any) -> Begun:
    """When the calls of a stage began, and for how many messages each."""
    clock, begun = FakeClock(autojump=True), []

    async def call(payload: Any) -> Any:
        begun.append((clock.monotonic(), len(payload) if isinstance(payload, list) else 1))
        await clock.sleep(0.01)
        return payload

    made = stage(rate=limit, **options)(call)
    flow = Flow("rate", clock=clock) | range(times) | made | (lambda item: None)
    asyncio.run(flow.run_async())
    assert sum(count for _, count in begun) == times
    return begun


def test_a_stage_begins_no_more_than_its_rate_with_any_number_of_workers() -> None:
    """By default a tenth of a second's worth may be saved up; a fresh run starts with a full bucket."""
    for _ in range(2):
        begun = begun_by("20/s", workers=7)

        check_bound(begun, 20, 2)
        assert begun[-1][0] == pytest.approx(1.4, abs=0.02)


def test_each_run_has_a_limit_of_its_own_unless_it_is_shared() -> None:
    """Two flows share nothing but what they are given."""
    clock, times = FakeClock(autojump=True), []

    async def call(number: int) -> None:
        times.append(clock.monotonic())

    for rate in ("1/s", RateLimit("1/s")):
        made = stage(rate=rate)(call)
        for _ in range(2):
            asyncio.run((Flow("own", clock=clock) | [1] | made).run_async())

    assert times[1] == times[0]
    assert times[3] - times[2] == pytest.approx(1.0, abs=1e-3)


def test_a_batch_counts_its_messages() -> None:
    """Not its calls: what is limited is what the function is asked to do."""
    begun = begun_by(RateLimit("20/s", burst=4), batch=4)

    check_bound(begun, 20, 4)
    assert begun[-1][0] == pytest.approx(1.3, abs=0.02)


def test_every_attempt_counts_also_those_of_halves() -> None:
    """A service that refuses is asked no more often for it."""
    clock, begun = FakeClock(autojump=True), []
    policy = RetryPolicy(maximum_attempts=3, initial_interval="0s", maximum_interval="0s")

    @stage(rate=RateLimit("10/s", burst=1), retry=policy)
    async def single(number: int) -> int:
        begun.append((clock.monotonic(), 1))
        raise OSError("refused")

    @stage(rate=RateLimit("10/s", burst=4), batch=4)
    async def batched(numbers: list[int]) -> list[int]:
        begun.append((clock.monotonic(), len(numbers)))
        raise OSError("refused")

    for made, burst, total in ((single, 1, 12), (batched, 4, 12)):
        begun.clear()
        flow = Flow("refused", clock=clock) | range(4) | made | print
        asyncio.run(flow.run_async())

        check_bound(begun, 10, burst)
        assert sum(count for _, count in begun) == total


def test_stages_that_share_a_limit_take_turns_whatever_their_workers() -> None:
    """A hundred workers of one do not starve the single one of the other."""
    clock, limit = FakeClock(autojump=True), RateLimit("10/s", burst=1)
    begun: list[str] = []

    def flow(name: str, workers: int, messages: int) -> Flow:
        async def call(number: int) -> None:
            begun.append(name)

        return Flow(name, clock=clock) | range(messages) | stage(rate=limit, workers=workers)(call)

    async def scenario() -> None:
        await asyncio.gather(flow("many", 100, 200).run_async(), flow("one", 1, 30).run_async())

    asyncio.run(scenario())

    both = begun[: 2 * 30]
    assert abs(both.count("many") - both.count("one")) <= 2
    assert clock.monotonic() == pytest.approx(22.9, abs=1e-2)


def test_loops_in_many_threads_share_a_limit() -> None:
    """A limit belongs to the process, as what it protects does."""
    limit, finished = RateLimit("2000/s", burst=10), list[int]()

    async def acquire(number: int) -> None:
        await asyncio.gather(*(limit.acquire() for _ in range(100)))
        finished.append(number)

    threads = [
        threading.Thread(target=lambda number=number: asyncio.run(acquire(number)))
        for number in range(4)
    ]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert sorted(finished) == [0, 1, 2, 3]
    assert time.monotonic() - started >= (400 - 10) / 2000


def test_a_loop_that_is_gone_does_not_keep_the_others_waiting() -> None:
    """It was closed without cancelling what waited on it."""
    limit = RateLimit("1000/s", burst=1)
    loop = asyncio.new_event_loop()
    tasks = [loop.create_task(limit.acquire()) for _ in range(3)]
    loop.run_until_complete(tasks[0])
    loop.close()
    for task in tasks[1:]:
        task._log_destroy_pending = False

    asyncio.run(asyncio.wait_for(limit.acquire(), 60))


@pytest.mark.parametrize("pool", ["thread", pytest.param("process", marks=pytest.mark.slow)])
def test_threads_and_processes_keep_the_rate_too(pool: Any) -> None:
    """Chunks are no larger than what may begin together."""
    started, rows = time.monotonic(), []

    made = stage(pool=pool, workers=2, rate=RateLimit("400/s", burst=20))(twice)
    (Flow("rate") | range(100, 200) | made | rows.append).run()

    assert len(rows) == 100
    assert time.monotonic() - started >= (100 - 20) / 400


def test_a_sink_keeps_its_rate() -> None:
    """It is what talks to a database."""
    clock, sink = FakeClock(autojump=True), ListSink[int]()

    made = stage(rate="10/s")(sink)
    asyncio.run((Flow("sink", clock=clock) | range(31) | made).run_async())

    assert len(sink.committed) == 31
    assert clock.monotonic() == pytest.approx(3.0, abs=1e-3)


def test_a_flow_that_waits_for_its_rate_is_cancelled_at_once() -> None:
    """And another flow that shares the limit goes on as if it had not been there."""

    async def scenario() -> tuple[int, float]:
        clock, limit = FakeClock(), RateLimit("1/h", burst=1)
        slow = Flow("slow", clock=clock) | range(9) | stage(rate=limit, workers=4)(print)
        running = slow.start()
        await clock.settle()
        report = await running.cancel()
        waiting = asyncio.create_task(limit.acquire(clock=clock))
        await clock.advance(3601)
        await waiting
        return report.in_flight, report.stages["print"].limited

    in_flight, _ = asyncio.run(scenario())

    assert in_flight == 8


def test_the_report_names_the_limit_that_sets_the_pace() -> None:
    """Else the advice would be to look at the source."""
    clock = FakeClock(autojump=True)

    @stage(rate="10/s")
    async def ask(number: int) -> int:
        return number

    async def store(number: int) -> None:
        await clock.sleep(0.03)

    report = asyncio.run((Flow("ask", clock=clock) | range(50) | ask | store).run_async())

    assert report.bottleneck == "ask"
    assert "the rate limit of 'ask' sets the pace" in report.advice
    assert "at most 10/s" in (Flow("ask") | [1] | ask | print).explain()


@pytest.mark.parametrize("rate", ["fast", "100", "0/s", "1/0s", "1/fortnight", 5])
def test_what_is_no_rate_is_refused(rate: Any) -> None:
    """With an example of what is one."""
    with pytest.raises(ValueError, match="expected a"):
        RateLimit(rate)
    with pytest.raises(ConfigError, match="rate: expected a"):
        stage(rate=rate)(print)


def test_rates_are_read_in_every_unit() -> None:
    """The same units as durations."""
    for text in ("10/s", "600/m", "36000/h", "1/100ms", "0.01/ms", "20/2s"):

        async def scenario(text: str = text) -> float:
            clock, limit = FakeClock(autojump=True), RateLimit(text, burst=1)
            for _ in range(11):
                await limit.acquire(clock=clock)
            return clock.monotonic()

        assert asyncio.run(scenario()) == pytest.approx(1.0, abs=1e-3)
    with pytest.raises(ValueError, match="burst >= 1"):
        RateLimit("1/s", burst=0)
