"""A failed pipeline is started again, with backoff, where that can help."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest

from penstock.base import ConfigError, MissingExtraError, RecordError, RetryPolicy
from penstock.testing import FakeClock
from penstock.topology import (
    DamagedStateError,
    ExitReason,
    FailureLimitError,
    FailurePolicy,
    Pipeline,
    PipelineContext,
    PipelineError,
    PipelineRunner,
    Stats,
    Supervision,
    TaskError,
    TaskOutput,
)

_RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=4), backoff_coefficient=2, maximum_attempts=4
)


def _run(
    context: PipelineContext,
    pipelines: list[Pipeline],
    supervision: Supervision,
    *,
    seconds: float = 3600,
) -> Stats:
    async def scenario() -> Stats:
        topology = PipelineRunner(context, typetag="t", supervision=supervision).spawn(pipelines)
        topology.start()
        await context.clock.advance(seconds)
        topology.drain("the end of the test")
        await context.clock.advance(60)
        return await topology.wait_stopped()

    return asyncio.run(scenario())


def test_a_pipeline_that_recovers_counts_as_done(
    context: PipelineContext, pipeline: Callable[..., Pipeline]
) -> None:
    """A store that was away for a minute is no reason to page anybody."""
    starts: list[float] = []

    async def work() -> str:
        starts.append(context.clock.monotonic())
        if len(starts) < 3:
            raise PipelineError("the store is away")
        return "all done"

    stats = _run(context, [pipeline("a", work)], Supervision(retry=_RETRY))

    assert stats.outcomes == {"a": TaskOutput("all done")}
    assert stats.restarts == {"a": 2}
    assert stats.exit_reason is ExitReason.DONE
    assert 0 < starts[1] <= 4
    assert 0 < starts[2] - starts[1] <= 8


def test_attempts_come_to_an_end(
    context: PipelineContext, pipeline: Callable[..., Pipeline]
) -> None:
    """A limit that the user wrote is kept."""
    starts = []

    async def work() -> str:
        starts.append(1)
        raise PipelineError("no such bucket")

    stats = _run(context, [pipeline("a", work)], Supervision(retry=_RETRY))

    assert len(starts) == 4
    assert isinstance(stats.outcomes["a"], TaskError.Failed)
    assert stats.exit_code == 1


def test_after_a_long_good_run_backoff_starts_from_the_beginning(
    context: PipelineContext, pipeline: Callable[..., Pipeline]
) -> None:
    """Four failures in a year are not four failures in a row."""
    starts = []

    async def work() -> str:
        starts.append(1)
        await context.clock.sleep(301)
        raise PipelineError("connection reset")

    _run(context, [pipeline("a", work)], Supervision(retry=_RETRY), seconds=10_000)

    assert len(starts) > 20


@pytest.mark.parametrize(
    "error",
    [
        FailureLimitError("10 files failed"),
        DamagedStateError("txn is behind"),
        RecordError("plan 7 cannot be read"),
        ConfigError(()),
        MissingExtraError("deltalake", "lake"),
    ],
)
def test_what_another_start_cannot_help_is_not_started_again(
    context: PipelineContext, pipeline: Callable[..., Pipeline], error: Exception
) -> None:
    """Going on over damaged state could lose or double data."""
    starts = []

    async def work() -> str:
        starts.append(1)
        raise error

    stats = _run(context, [pipeline("a", work)], Supervision(retry=_RETRY))

    assert len(starts) == 1
    assert stats.outcomes == {"a": TaskError.Failed(error)}


def test_an_isolated_failure_leaves_the_others_alone(
    context: PipelineContext,
    pipeline: Callable[..., Pipeline],
    follower: Callable[[str], Pipeline],
) -> None:
    """One tenant's bad bucket is not another's outage."""

    async def work() -> str:
        raise ZeroDivisionError("one tenant's defect")

    isolate = Supervision(on_failure=FailurePolicy.ISOLATE)
    stats = _run(context, [pipeline("a", work), follower("b")], isolate, seconds=62)

    assert isinstance(stats.outcomes["a"], TaskError.Panicked)
    assert stats.outcomes["b"] == TaskOutput("12 polls")
    assert stats.exit_code == 1


def test_stop_all_drains_the_others(
    context: PipelineContext,
    pipeline: Callable[..., Pipeline],
    follower: Callable[[str], Pipeline],
) -> None:
    """Where one pipeline feeds another, half of them running is worse than none."""

    async def work() -> str:
        await context.clock.sleep(12)
        raise PipelineError("upstream is gone")

    stop_all = Supervision(on_failure=FailurePolicy.STOP_ALL)
    stats = _run(context, [pipeline("a", work), follower("b")], stop_all)

    assert stats.outcomes["b"] == TaskOutput("2 polls")
    assert stats.stopped_by == "pipeline a failed"
    assert stats.exit_code == 1


def test_a_stop_during_backoff_ends_at_once_and_still_says_failed(
    context: PipelineContext, clock: FakeClock, pipeline: Callable[..., Pipeline]
) -> None:
    """What was broken when it was stopped did not drain."""

    async def work() -> str:
        raise PipelineError("the store is away")

    slow = RetryPolicy(
        initial_interval=timedelta(hours=9),
        maximum_interval=timedelta(hours=9),
        maximum_attempts=0,
    )

    async def scenario() -> Stats:
        runner = PipelineRunner(context, typetag="t", supervision=Supervision(retry=slow))
        topology = runner.spawn([pipeline("a", work)])
        topology.start()
        await clock.settle()
        topology.drain()
        return await topology.wait_stopped()

    stats = asyncio.run(scenario())

    assert clock.monotonic() == 0.0
    assert stats.exit_code == 1
