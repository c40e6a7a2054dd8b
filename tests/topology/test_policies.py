"""Each pipeline may be looked after in its own way."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.base import ConfigError, RetryPolicy, parse_yaml
from penstock.topology import (
    FailurePolicy,
    Pipeline,
    PipelineContext,
    PipelineError,
    PipelineRunner,
    PipelineSpec,
    PipelineSupervision,
    Stats,
    Supervision,
    TaskError,
    TaskOutput,
)


def _spec(pipeline: Pipeline, **own: object) -> PipelineSpec:
    supervision = PipelineSupervision.model_validate(own).over(Supervision())
    return PipelineSpec(pipeline.key, lambda _: pipeline, supervision=supervision)


def test_one_is_restarted_one_isolated_and_one_stops_all(
    context: PipelineContext,
    pipeline: Callable[..., Pipeline],
    follower: Callable[[str], Pipeline],
) -> None:
    """A tenant's bucket, an optional copy, and the one all others feed on: three kinds of failure."""
    events: list[tuple[float, str]] = []

    def failing(key: str, after: float) -> Pipeline:
        async def work() -> str:
            await context.clock.sleep(after)
            events.append((context.clock.monotonic(), key))
            raise PipelineError(f"{key} cannot go on")

        return pipeline(key, work)

    async def scenario() -> Stats:
        at_once = {"initial_interval": "0s", "maximum_attempts": 0}
        topology = PipelineRunner(context, typetag="t").spawn(
            [
                _spec(failing("restarts", 10), on_failure="restart", retry=at_once),
                _spec(failing("isolated", 15), on_failure="isolate"),
                _spec(failing("vital", 32), on_failure="stop_all"),
                follower("follows"),
            ]
        )
        topology.start()
        await context.clock.advance(60)
        return await topology.wait_stopped()

    stats = asyncio.run(scenario())

    assert events == [
        (10, "restarts"), (15, "isolated"), (20, "restarts"), (30, "restarts"), (32, "vital"), (40, "restarts"),
    ]  # fmt: skip
    assert stats.stopped_by == "pipeline vital failed"
    assert stats.restarts == {"restarts": 3}
    assert stats.outcomes["follows"] == TaskOutput("6 polls")
    assert isinstance(stats.outcomes["isolated"], TaskError.Failed)


def test_a_long_run_counts_as_good_after_the_pipelines_own_time(
    context: PipelineContext, pipeline: Callable[..., Pipeline]
) -> None:
    """What runs for seconds by nature is judged by seconds."""
    starts: dict[str, int] = {"usual": 0, "quick": 0}

    def failing(key: str) -> Pipeline:
        async def work() -> str:
            starts[key] += 1
            await context.clock.sleep(20)
            raise PipelineError("connection reset")

        return pipeline(key, work)

    async def scenario() -> None:
        retry = {"initial_interval": "0s", "maximum_attempts": 3}
        topology = PipelineRunner(context, typetag="t").spawn(
            [
                _spec(failing("usual"), retry=retry),
                _spec(failing("quick"), retry=retry, stable_after="10s"),
            ]
        )
        topology.start()
        await context.clock.advance(205)
        topology.stop()
        await topology.wait_stopped()

    asyncio.run(scenario())

    assert starts == {"usual": 3, "quick": 11}


_POLICIES = st.none() | st.sampled_from(FailurePolicy)
_SPANS = st.none() | st.timedeltas(timedelta(), timedelta(days=1))
_RETRIES = st.none() | st.builds(RetryPolicy, maximum_attempts=st.integers(0, 9))


@given(_POLICIES, _SPANS, _RETRIES, st.timedeltas(timedelta(), timedelta(days=1)))
def test_what_a_pipeline_does_not_say_is_as_for_all(
    policy: FailurePolicy | None,
    stable: timedelta | None,
    retry: RetryPolicy | None,
    deadline: timedelta,
) -> None:
    """Each key for itself; the drain deadline is one for all."""
    shared = Supervision(on_failure=FailurePolicy.STOP_ALL, drain_deadline=deadline)
    own = PipelineSupervision(on_failure=policy, stable_after=stable, retry=retry)

    both = own.over(shared)

    assert both.on_failure is (policy or FailurePolicy.STOP_ALL)
    assert both.stable_after == (shared.stable_after if stable is None else stable)
    assert both.retry == (retry or shared.retry)
    assert both.drain_deadline == deadline


def test_a_drain_deadline_of_one_pipeline_is_refused() -> None:
    """A stop ends all of them at one time."""
    text = "on_failure: isolate\ndrain_deadline: 3s\n"

    with pytest.raises(ConfigError, match="drain_deadline") as caught:
        PipelineSupervision.from_document(parse_yaml(text, file="p.yaml"))

    assert [problem.line for problem in caught.value.problems] == [2]
