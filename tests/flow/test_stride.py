"""How much a worker outside the loop is handed before it has answered."""

import asyncio

import pytest

from penstock import Flow, stage
from penstock.flow._chunk import Stride
from tests.flow import process_stages as work

KIB = 1024


def brisk(most: int = 1) -> Stride:
    """One that has seen messages of ten microseconds, for one worker with room for plenty."""
    stride = Stride(most, 1, 1024)
    stride.learn(1, 10e-6)
    return stride


@pytest.mark.parametrize(
    ("weight", "ahead"), [(0, 64), (1 * KIB, 64), (16 * KIB, 16), (100 * KIB, 2), (300 * KIB, 1)]
)
def test_quick_messages_are_sent_ahead_as_far_as_256_kib_go(weight: int, ahead: int) -> None:
    """One always is; what is heavy is copied, and would lie there twice."""
    assert brisk().more(0, 1000, weight) == ahead
    assert brisk().more(ahead, 1000, weight) == 0


def test_nothing_is_sent_behind_work_that_takes_long() -> None:
    """The next worker that is free may have it sooner."""
    stride = brisk()
    stride.learn(1, 0.05)

    assert [stride.more(under_way, 1000, 0) for under_way in (0, 1)] == [1, 0]


@pytest.mark.parametrize(
    ("seconds", "size"), [(30e-6, 256), (0.001, 16), (0.004, 4), (0.015, 1), (1.0, 1)]
)
def test_a_chunk_grows_to_some_milliseconds_of_work(seconds: float, size: int) -> None:
    """There a hop costs one per cent, and nothing waits long behind another message."""
    stride = Stride(256, 1, 1024)
    for _ in range(20):
        stride.learn(stride.size(1000), stride.size(1000) * seconds)

    assert stride.size(1000) == size


def test_a_chunk_shrinks_where_messages_begin_to_take_long() -> None:
    """At once: what comes behind it need not wait for as many of them again."""
    stride = Stride(256, 1, 1024)
    for _ in range(20):
        stride.learn(stride.size(1000), 10e-6)
    stride.learn(256, 256 * 0.02)

    assert stride.size(1000) == 1


@pytest.mark.parametrize("waiting", [1, 10, 100])
def test_no_worker_takes_what_another_could_begin(waiting: int) -> None:
    """Of two, neither has more than half before it."""
    stride = Stride(8, 2, 1024)
    for _ in range(5):
        stride.learn(8, 10e-6)

    assert stride.more(0, waiting, 0) <= max(-(-waiting // 2), 1)


@pytest.mark.slow
def test_heavy_messages_are_with_a_worker_one_at_a_time() -> None:
    """However quick it is with them: else a channel's bytes would lie in shared memory."""
    payload, peak = bytes(300 * KIB), 0

    async def scenario() -> None:
        def take(_: object) -> None:
            nonlocal peak
            peak = max(peak, running.statistics().stages["kind_of"].in_hand)

        made = stage(pool="process", chunk=1)(work.kind_of)
        running = (Flow("heavy") | [payload] * 60 | made | take).start()
        await running.wait()

    asyncio.run(scenario())

    assert peak == 1
