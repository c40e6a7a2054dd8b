"""From a plan to what runs: a channel before each stage, and a pool that works on what comes out of it."""

import asyncio
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from penstock.base import Value
from penstock.flow._channel import MemoryChannel
from penstock.flow._context import ContextSetup
from penstock.flow._outcome import Ledger
from penstock.flow._plan import FlowPlan, Node
from penstock.flow._pool_async import AsyncPool
from penstock.flow._pool_caller import CallerPool, Results
from penstock.flow._pool_fork import ForkPool
from penstock.flow._pool_sink import SinkPool
from penstock.flow._pool_thread import ThreadPool
from penstock.flow._pump import Pump
from penstock.flow._sink import Sink
from penstock.flow._source import Source
from penstock.flow._work import Work

if TYPE_CHECKING:
    from penstock.flow._pool_process import ProcessPool

    AnyPool = CallerPool | AsyncPool | ThreadPool | ProcessPool | SinkPool | ForkPool


class StageRun(Value):
    """One stage of one run: its work, its workers, and the channels below it."""

    work: Work
    pool: "AnyPool"
    outs: Sequence[MemoryChannel[Any]]

    async def run(self) -> None:
        """Run the workers; when all are done, that is the end of the stream below."""
        tasks = self.pool.start()
        await asyncio.wait(tasks)
        self.pool.stop()
        # A worker that failed ends the flow: what is below must not take that for the end of the stream.
        if not any(task.cancelled() or task.exception() is not None for task in tasks):
            for out in self.outs:
                out.finish()


def assemble(
    plan: FlowPlan, ledger: Ledger, group: asyncio.TaskGroup, effects: str
) -> list[StageRun]:
    """What works on each stage of the plan, in the plan's order; effects done once are recorded in `effects`."""
    clock, chance = plan.options.clock, plan.chance()
    intakes = [
        MemoryChannel[Any](
            node.stage.name,
            capacity=plan.capacity(node.stage),
            capacity_bytes=plan.capacity_bytes(node.stage),
            time=clock.monotonic,
            writers=writers,
        )
        for node, writers in zip(plan.nodes, plan.feeds(), strict=True)
    ]
    made = []
    for node, intake in zip(plan.nodes, intakes, strict=True):
        outs = [intakes[place] for _, place in node.below]
        out = outs[0] if outs and node.fork is None else None
        work = Work(node.stage, intake, out, ledger, clock, chance, group)
        if node.stage.takes_context:
            durable = plan.options.once is not None
            work.context = ContextSetup(plan.options.name, node.stage.name, effects, durable)
        made.append(StageRun(work, _pool_of(node, work, outs), outs))
    return made


def pumps_of(
    plan: FlowPlan, sources: Sequence[Source[Any]], ledger: Ledger, works: Sequence[Work]
) -> list[Pump]:
    """One per source; of several, each gives ids of its own."""
    several = len(sources) > 1
    return [
        Pump(source, ledger, works[origin.below].intake, f"source{number}" if several else "")
        for number, (source, origin) in enumerate(zip(sources, plan.origins, strict=True), start=1)
    ]


def _pool_of(node: Node, work: Work, outs: list[MemoryChannel[Any]]) -> "AnyPool":
    if node.fork is not None:
        keys = [key for key, _ in node.below]
        return ForkPool(work, node.fork.choose, list(zip(keys, outs, strict=True)))
    if isinstance(work.stage.function, Results):
        return CallerPool(work, work.stage.function)
    if isinstance(work.stage.function, Sink):
        return SinkPool(work, work.stage.function)
    if work.stage.options.pool == "thread":
        return ThreadPool(work)
    if work.stage.options.pool == "process":
        return _process_pool(work)
    return AsyncPool(work)


def _process_pool(work: Work) -> "ProcessPool":
    """Loaded when it is used, with multiprocessing and what else few flows need."""
    pool: ProcessPool = import_module("penstock.flow._pool_process").ProcessPool(work)
    return pool
