"""Readiness follows what the pipelines really do."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

from penstock.base import RetryPolicy
from penstock.telemetry import exposition
from penstock.testing import FakeClock
from penstock.topology import (
    FailurePolicy,
    Pipeline,
    PipelineContext,
    PipelineError,
    PipelineRunner,
    Supervision,
)


def _says(context: PipelineContext) -> list[tuple[str, str, str]]:
    return [(r.component, r.state, r.detail) for r in context.health.ready().reasons]


def test_a_running_topology_is_ready_and_a_draining_one_is_not(
    context: PipelineContext, clock: FakeClock, follower: Callable[[str], Pipeline]
) -> None:
    """A balancer should send nothing to what is about to go."""

    async def scenario() -> list[list[tuple[str, str, str]]]:
        topology = PipelineRunner(context, typetag="t").spawn([follower("a")])
        seen = [_says(context)]
        topology.start()
        await clock.advance(1)
        seen.append(_says(context))
        topology.drain()
        await clock.settle()
        seen.append(_says(context))
        await clock.advance(60)
        await topology.wait_stopped()
        return [*seen, _says(context)]

    assert asyncio.run(scenario()) == [
        [("a", "starting", ""), ("topology", "starting", "")],
        [],
        [("topology", "stopping", "")],
        [],
    ]


def test_a_pipeline_in_backoff_is_not_ready_until_it_works_again(
    context: PipelineContext, clock: FakeClock, pipeline: Callable[..., Pipeline]
) -> None:
    """A restart alone heals nothing: readiness comes back with progress, or with time."""
    starts = []

    async def work() -> str:
        starts.append(1)
        if len(starts) == 1:
            raise PipelineError("403 from the store")
        await context.shutdown.wait()
        return "told"

    retry = RetryPolicy(
        initial_interval=timedelta(seconds=10), maximum_attempts=0, backoff_coefficient=1
    )

    async def scenario() -> list[list[tuple[str, str, str]]]:
        supervision = Supervision(retry=retry, stable_after=timedelta(seconds=60))
        runner = PipelineRunner(context, typetag="t", supervision=supervision)
        topology = runner.spawn([pipeline("a", work)])
        topology.start()
        await clock.settle()
        seen = [_says(context)]
        await clock.advance(20)
        assert len(starts) == 2
        seen.append(_says(context))
        await clock.advance(60)
        seen.append(_says(context))
        topology.stop()
        await topology.wait_stopped()
        return seen

    refused = [("a", "backing off", "403 from the store")]
    assert asyncio.run(scenario()) == [refused, refused, []]


def test_a_failed_pipeline_stays_visible_while_others_run(
    context: PipelineContext,
    clock: FakeClock,
    pipeline: Callable[..., Pipeline],
    follower: Callable[[str], Pipeline],
) -> None:
    """Otherwise nobody learns of it before the next restart of the process."""

    async def work() -> str:
        raise KeyError("column")

    async def scenario() -> tuple[list[tuple[str, str, str]], bool]:
        supervision = Supervision(on_failure=FailurePolicy.ISOLATE)
        runner = PipelineRunner(context, typetag="t", supervision=supervision)
        topology = runner.spawn([pipeline("a", work), follower("b")])
        topology.start()
        await clock.advance(100)
        seen, live = _says(context), context.health.live().well
        topology.stop()
        await topology.wait_stopped()
        return seen, live

    assert asyncio.run(scenario()) == ([("a", "failed", "KeyError: 'column'")], True)


def test_a_stalled_pipeline_is_named_with_its_complaint(
    context: PipelineContext, clock: FakeClock, pipeline: Callable[..., Pipeline]
) -> None:
    """It runs, so nothing failed, and yet nothing moves: the worst kind."""

    async def work() -> str:
        part = context.health.component(
            "a/commit", stalled_after=timedelta(seconds=60), complaint="no commit"
        )
        part.working()
        await context.shutdown.wait()
        return "told"

    async def scenario() -> list[tuple[str, str, str]]:
        topology = PipelineRunner(context, typetag="t").spawn([pipeline("a", work)])
        topology.start()
        await clock.advance(61)
        seen = _says(context)
        topology.stop()
        await topology.wait_stopped()
        return seen

    assert asyncio.run(scenario()) == [("a/commit", "stalled", "no commit")]


def test_liveness_needs_a_loop_that_turns(
    context: PipelineContext, clock: FakeClock, follower: Callable[[str], Pipeline]
) -> None:
    """A heartbeat on the loop is the only proof that it turns."""

    async def scenario() -> list[bool]:
        topology = PipelineRunner(context, typetag="t").spawn([follower("a")])
        topology.start()
        await clock.advance(100)
        seen = [context.health.live().well]
        clock._elapsed += 31
        seen.append(context.health.live().well)
        topology.stop()
        await topology.wait_stopped()
        return [*seen, context.health.live().well]

    assert asyncio.run(scenario()) == [True, False, True]


def test_restarts_and_the_shared_limit_are_exported(
    context: PipelineContext, clock: FakeClock, pipeline: Callable[..., Pipeline]
) -> None:
    """What health says now, metrics say over time."""
    starts = []

    async def work() -> str:
        starts.append(1)
        if len(starts) == 1:
            raise PipelineError("away")
        async with context.permit("a"):
            await context.shutdown.wait()
        return "told"

    async def scenario() -> str:
        topology = PipelineRunner(context, typetag="t").spawn([pipeline("a", work)])
        topology.start()
        await clock.advance(5)
        text = exposition(context.metrics)[0].decode()
        topology.stop()
        await topology.wait_stopped()
        return text

    text = asyncio.run(scenario())

    for line in (
        'penstock_pipeline_up{pipeline="a"} 1.0',
        'penstock_pipeline_restarts_total{pipeline="a"} 1.0',
        'penstock_limiter_held{pipeline="a"} 1.0',
    ):
        assert line in text.splitlines()
