"""The adapter of the guide: a flow is a good pipeline of a topology."""

import asyncio
import runpy
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from penstock.flow import Flow
from penstock.telemetry import exposition
from penstock.topology import (
    GlobalConfig,
    PipelineContext,
    PipelineRunner,
    PipelineSpec,
    TaskOutput,
    make_context,
)
from tools.links import ROOT

_GUIDE = ROOT / "docs/guides/run-many-flows.md"


@pytest.fixture
def adapter(tmp_path: Path) -> Callable[..., Any]:
    """`FlowPipeline`, as the guide shows it."""
    program = tmp_path / "many.py"
    program.write_text(_GUIDE.read_text().partition("```python\n")[2].partition("```")[0])
    return runpy.run_path(str(program))["FlowPipeline"]


class _Endless:
    """Numbers without end, and what became of them."""

    def __init__(self) -> None:
        self.taken: list[int] = []
        self.stored: list[int] = []
        self.busy = asyncio.Event()

    async def take(self, number: int) -> int:
        self.taken.append(number)
        return number

    async def store(self, number: int) -> None:
        await asyncio.sleep(0)
        self.stored.append(number)
        self.busy.set()

    def spec(self, key: str, adapter: Callable[..., Any], version: int) -> PipelineSpec:
        def flow() -> Flow[Any]:
            return Flow(key) | count(1) | self.take | self.store

        return PipelineSpec(key, lambda own: adapter(key, flow, own), version)


def test_a_reload_and_a_stop_drain_flows_that_have_no_end(adapter: Callable[..., Any]) -> None:
    """What was pulled is stored, and the flow that did not change is not started again."""
    context: PipelineContext = make_context(GlobalConfig())

    async def scenario() -> tuple[_Endless, _Endless, dict[str, Any], str]:
        same, other = _Endless(), _Endless()
        topology = PipelineRunner(context, typetag="flow").spawn(
            [same.spec("same", adapter, 1), other.spec("other", adapter, 1)]
        )
        topology.start()
        await same.busy.wait()
        await other.busy.wait()
        await topology.reload([same.spec("same", adapter, 1), other.spec("other", adapter, 2)])
        other.busy.clear()
        await other.busy.wait()
        metrics = exposition(context.metrics)[0].decode()
        topology.drain()
        stats = await topology.wait_stopped()
        return same, other, dict(stats.outcomes), metrics

    same, other, outcomes, metrics = asyncio.run(asyncio.wait_for(scenario(), 60))

    assert (same.stored, other.stored) == (same.taken, other.taken)
    assert same.stored == list(range(1, len(same.stored) + 1))
    second = len(other.stored) - other.stored[::-1].index(1) - 1
    for run in (other.stored[:second], other.stored[second:]):
        assert run == list(range(1, len(run) + 1))
    assert outcomes["same"] == TaskOutput(f"{len(same.stored)} delivered")
    assert 'flow="same"' in metrics
    assert 'flow="other"' in metrics
