"""A reload drains what has changed, and nothing else."""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from penstock.testing import FakeClock
from penstock.topology import (
    FailurePolicy,
    GlobalConfig,
    Pipeline,
    PipelineContext,
    PipelineError,
    PipelineRunner,
    PipelineSpec,
    RunningTopology,
    Stats,
    Supervision,
    TaskError,
    TaskOutput,
    TopologyError,
    make_context,
)

_DRAINS_S = 2.0


@dataclass
class _Told:
    """What pipelines did, in order, and which task each ran in."""

    events: list[str] = field(default_factory=list)
    tasks: dict[str, set[asyncio.Task]] = field(default_factory=dict)


@dataclass
class _Follower(Pipeline):
    """Follows until it is told to stop, and takes two seconds for its work in hand."""

    name: str
    version: int
    context: PipelineContext
    told: _Told

    @property
    def key(self) -> str:
        return self.name

    async def run(self) -> str:
        label = f"{self.name}{self.version}"
        self.told.events.append(f"{label} starts")
        self.told.tasks.setdefault(label, set()).add(asyncio.current_task())
        if self.version < 0:
            await self.context.clock.sleep(10)
            raise PipelineError("a version that cannot go well")
        await self.context.shutdown.wait()
        await self.context.clock.sleep(_DRAINS_S)
        self.told.events.append(f"{label} ends")
        return label


def _specs(told: _Told, versions: Mapping[str, int]) -> list[PipelineSpec]:
    def make(key: str, version: int) -> PipelineSpec:
        return PipelineSpec(key, lambda own: _Follower(key, version, own, told), version)

    return [make(key, version) for key, version in versions.items()]


def _topology(context: PipelineContext, specs: list[PipelineSpec]) -> RunningTopology:
    return PipelineRunner(context, typetag="t").spawn(specs)


def test_only_what_changed_is_drained_and_started_anew(
    context: PipelineContext, clock: FakeClock
) -> None:
    """Changed, removed, new and untouched in one reload; what is new waits until all has drained."""
    told = _Told()

    async def scenario() -> Stats:
        topology = _topology(context, _specs(told, {"same": 1, "changes": 1, "goes": 1}))
        topology.start()
        await clock.advance(1)
        reload = asyncio.create_task(
            topology.reload(_specs(told, {"new": 1, "same": 1, "changes": 2}))
        )
        await clock.advance(_DRAINS_S + 0.1)
        await reload
        await clock.advance(1)
        topology.drain()
        await clock.advance(_DRAINS_S + 0.1)
        return await topology.wait_stopped()

    stats = asyncio.run(scenario())

    assert told.events[:7] == [
        "same1 starts", "changes1 starts", "goes1 starts",
        "changes1 ends", "goes1 ends",
        "new1 starts", "changes2 starts",
    ]  # fmt: skip
    assert len(told.tasks["same1"]) == 1
    assert list(stats.outcomes) == ["new", "same", "changes"]
    assert stats.outcomes["changes"] == TaskOutput("changes2")


def test_what_is_new_starts_after_its_jitter(clock: FakeClock) -> None:
    """A reload that adds a thousand pipelines is no better than a start of a thousand."""
    context, told = make_context(GlobalConfig(poll_jitter_secs=100), clock=clock), _Told()
    jitter = context.jitter("late")

    async def scenario() -> list[list[str]]:
        topology = _topology(context, _specs(told, {"a": 1}))
        topology.start()
        await clock.advance(101)
        await topology.reload(_specs(told, {"a": 1, "late": 1}))
        seen = []
        for seconds in (jitter - 0.01, 0.02):
            await clock.advance(seconds)
            seen.append(list(told.events))
        topology.stop()
        await topology.wait_stopped()
        return seen

    before, after = asyncio.run(scenario())

    assert jitter > 1
    assert before == ["a1 starts"]
    assert after == ["a1 starts", "late1 starts"]


def test_a_pipeline_that_failed_is_started_again_though_nothing_changed(
    context: PipelineContext, clock: FakeClock
) -> None:
    """Whoever reloads has looked; a bucket that is there now is in no configuration."""
    told, failures = _Told(), [PipelineError("no such bucket")]
    isolate = Supervision(on_failure=FailurePolicy.ISOLATE)

    class Failing(_Follower):
        async def run(self) -> str:
            if failures:
                raise failures.pop()
            return await super().run()

    def specs() -> list[PipelineSpec]:
        weak = PipelineSpec(
            "weak", lambda own: Failing("weak", 1, own, told), 1, supervision=isolate
        )
        return [*_specs(told, {"same": 1}), weak]

    async def scenario() -> Stats:
        topology = _topology(context, specs())
        topology.start()
        await clock.advance(1)
        await topology.reload(specs())
        await clock.advance(1)
        topology.drain()
        await clock.advance(_DRAINS_S + 0.1)
        return await topology.wait_stopped()

    stats = asyncio.run(scenario())

    assert told.events[:2] == ["same1 starts", "weak1 starts"]
    assert told.events.count("same1 starts") == 1
    assert stats.exit_code == 0
    assert context.health.ready().well


def test_another_supervision_is_taken_over_without_a_drain(
    context: PipelineContext, clock: FakeClock
) -> None:
    """It is nothing that the pipeline itself knows of."""
    told = _Told()

    def specs(policy: FailurePolicy) -> list[PipelineSpec]:
        supervision = Supervision(on_failure=policy)
        return [replace(spec, supervision=supervision) for spec in _specs(told, {"a": -1})]

    async def scenario() -> Stats:
        topology = _topology(context, specs(FailurePolicy.RESTART))
        topology.start()
        await clock.advance(1)
        await topology.reload(specs(FailurePolicy.ISOLATE))
        await clock.advance(60)
        topology.stop()
        return await topology.wait_stopped()

    stats = asyncio.run(scenario())

    assert told.events == ["a-1 starts"]
    assert stats.restarts == {}
    assert isinstance(stats.outcomes["a"], TaskError.Failed)


def test_what_does_not_drain_for_a_reload_is_cancelled_at_the_deadline(
    context: PipelineContext, clock: FakeClock
) -> None:
    """One that hangs must not keep the others from their new configuration."""
    told = _Told()

    class Hanging(_Follower):
        async def run(self) -> str:
            await asyncio.Event().wait()
            return "never"

    hanging = PipelineSpec("hangs", lambda own: Hanging("hangs", 1, own, told), 1)

    async def scenario() -> list[list[str]]:
        topology = _topology(context, [hanging, *_specs(told, {"same": 1})])
        topology.start()
        await clock.advance(1)
        reload = asyncio.create_task(topology.reload(_specs(told, {"same": 1, "hangs": 2})))
        seen = []
        for seconds in (29.9, 0.2):
            await clock.advance(seconds)
            seen.append(list(told.events))
        await reload
        topology.stop()
        await topology.wait_stopped()
        return seen

    before, after = asyncio.run(scenario())

    assert before == ["same1 starts"]
    assert after == ["same1 starts", "hangs2 starts"]


def test_a_stop_in_the_middle_of_a_reload_starts_nothing_more(
    context: PipelineContext, clock: FakeClock
) -> None:
    """Whoever stops the program does not want it to begin something."""
    told = _Told()

    async def scenario() -> Stats:
        topology = _topology(context, _specs(told, {"same": 1, "changes": 1}))
        topology.start()
        await clock.advance(1)
        reload = asyncio.create_task(
            topology.reload(_specs(told, {"same": 1, "changes": 2, "new": 1}))
        )
        await clock.advance(_DRAINS_S / 2)
        topology.drain("the operator")
        await clock.advance(_DRAINS_S + 0.1)
        await reload
        return await topology.wait_stopped()

    stats = asyncio.run(scenario())

    assert sorted(told.events) == ["changes1 ends", "changes1 starts", "same1 ends", "same1 starts"]
    assert stats.stopped_by == "the operator"
    assert stats.outcomes == {"same": TaskOutput("same1"), "changes": TaskOutput("changes1")}


def test_a_key_given_twice_changes_nothing(context: PipelineContext, clock: FakeClock) -> None:
    """All is checked before anything is drained."""
    told = _Told()

    async def scenario() -> None:
        topology = _topology(context, _specs(told, {"a": 1}))
        topology.start()
        await clock.advance(1)
        with pytest.raises(TopologyError, match="'b'"):
            await topology.reload(_specs(told, {"b": 1}) * 2)
        await clock.advance(5)
        assert told.events == ["a1 starts"]
        topology.stop()
        await topology.wait_stopped()

    asyncio.run(scenario())


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_whatever_is_reloaded_when_each_version_runs_once_and_never_beside_another(
    seed: int,
) -> None:
    """Two versions of one pipeline at work at a time would be two owners of its state."""
    chance, clock, told = random.Random(seed), FakeClock(), _Told()
    context = make_context(GlobalConfig(poll_jitter_secs=chance.choice([0, 3])), clock=clock)

    def draw() -> dict[str, int]:
        return {key: chance.randrange(3) for key in "abc" if chance.random() < 0.7} or {"a": 0}

    async def scenario() -> dict[str, int]:
        versions = draw()
        topology = _topology(context, _specs(told, versions))
        topology.start()
        reloads = []
        for _ in range(chance.randrange(1, 5)):
            await clock.advance(chance.randrange(4))
            versions = draw()
            reloads.append(asyncio.create_task(topology.reload(_specs(told, versions))))
        await clock.advance(60)
        running = _running(told.events)
        await asyncio.gather(*reloads)
        topology.drain()
        await clock.advance(10)
        stats = await topology.wait_stopped()
        assert list(stats.outcomes) == list(versions)
        await clock.settle()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert running == versions
        return versions

    asyncio.run(scenario())

    assert _running(told.events) == {}


def _running(events: list[str]) -> dict[str, int]:
    running: dict[str, int] = {}
    for event in events:
        label, _, what = event.partition(" ")
        if what == "starts":
            assert label[0] not in running, events
            running[label[0]] = int(label[1:])
        else:
            assert running.pop(label[0]) == int(label[1:])
    return running
