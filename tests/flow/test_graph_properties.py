"""Random graphs against a plain interpreter: every leaf ends once, and nothing else does."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from penstock import Flow, merge, route, stage, tee
from penstock.testing import ListSource

Shape = Any
"""A chain is a list of shapes; a stage is its kind and workers; a fork is its kind, branches and default."""


@dataclass
class Expected:
    """What a graph does to numbers, computed message by message."""

    delivered: Counter[tuple[str, int]] = field(default_factory=Counter)
    filtered: int = 0
    dead: int = 0

    def chain(
        self, shapes: list[Shape], numbers: list[int], place: str, *, final: bool
    ) -> list[int]:
        for at, shape in enumerate(shapes):
            numbers = self.part(
                shape, numbers, f"{place}.{at}", final=final and at == len(shapes) - 1
            )
        if final and not (shapes and shapes[-1][0] in {"route", "tee"}):
            self.delivered += Counter((place, number) for number in numbers)
        return numbers

    def part(self, shape: Shape, numbers: list[int], place: str, *, final: bool) -> list[int]:
        kind = shape[0]
        if kind in {"route", "tee"}:
            return self.fork(shape, numbers, place, final=final)
        made: list[int] = []
        for number in numbers:
            outcome = STAGES[kind](number)
            made += outcome or []
            self.dead += outcome is None
            self.filtered += outcome == []
        return made

    def fork(self, shape: Shape, numbers: list[int], place: str, *, final: bool) -> list[int]:
        kind, branches, default = shape
        made: list[int] = []
        for at, branch in enumerate(branches):
            last = default and at == len(branches) - 1
            own = [
                number
                for number in numbers
                if kind == "tee" or number % 5 == at or (last and number % 5 >= len(branches))
            ]
            made += self.chain(branch, own, f"{place}.{at}", final=final)
        if kind == "route" and not default:
            self.dead += sum(number % 5 >= len(branches) for number in numbers)
        return made


STAGES: dict[str, Any] = {
    "pass": lambda number: [number],
    "drop": lambda number: [] if number % 4 == 0 else [number],
    "fail": lambda number: None if number % 7 == 3 else [number],
    "split": lambda number: [number, number + 1][: number % 3],
}


class Graph:
    """The flow of a shape, with sinks that note where each number came out."""

    def __init__(self) -> None:
        self.delivered: Counter[tuple[str, int]] = Counter()
        self.look = lambda: None

    def chain(self, shapes: list[Shape], place: str, *, final: bool) -> list[Any]:
        parts = []
        for at, shape in enumerate(shapes):
            last = final and at == len(shapes) - 1
            parts.append(self.part(shape, f"{place}.{at}", final=last))
        if final and not (shapes and shapes[-1][0] in {"route", "tee"}):
            parts.append(self.sink(place))
        return parts

    def part(self, shape: Shape, place: str, *, final: bool) -> Any:
        kind = shape[0]
        if kind not in {"route", "tee"}:
            return make_stage(*shape)
        _, branches, default = shape
        made = [
            self.chain(branch, f"{place}.{at}", final=final) for at, branch in enumerate(branches)
        ]
        if kind == "tee":
            return tee(*made)
        keyed = dict(enumerate(made[:-1] if default else made))
        if not keyed:
            keyed = {0: made[0]}
        return route(lambda number: number % 5, keyed, default=made[-1] if default else None)

    def sink(self, place: str) -> Any:
        async def note(number: int) -> None:
            await asyncio.sleep(0)
            self.delivered[place, number] += 1
            self.look()

        return stage(workers=2)(note)


def make_stage(kind: str, workers: int) -> Any:
    async def one(number: int) -> int | None:
        if number % 3 == 0:
            await asyncio.sleep(0)
        outcome = STAGES[kind](number)
        if outcome is None:
            raise ValueError(number)
        return outcome[0] if outcome else None

    async def many(number: int):
        for each in STAGES[kind](number):
            await asyncio.sleep(0)
            yield each

    return stage(workers=workers, name=kind)(many if kind == "split" else one)


simple = st.tuples(st.sampled_from(sorted(STAGES)), st.integers(1, 2))


def forks(chains: st.SearchStrategy[Shape]) -> st.SearchStrategy[Shape]:
    branches = st.lists(chains, min_size=1, max_size=3)
    one_of = st.tuples(st.just("route"), st.lists(chains, min_size=2, max_size=3), st.booleans())
    return st.lists(
        simple | one_of | st.tuples(st.just("tee"), branches, st.just(False)), max_size=3
    )


graphs = st.recursive(st.lists(simple, max_size=2), forks, max_leaves=6)


@settings(max_examples=50, deadline=None)
@given(
    sources=st.lists(st.lists(st.integers(0, 30), max_size=15), min_size=1, max_size=3),
    shape=graphs,
    capacity=st.integers(2, 5),
)
def test_in_any_graph_every_leaf_ends_once_and_outcomes_balance_at_every_instant(
    sources, shape, capacity
) -> None:
    """What each sink was given, how many were filtered and died, and one ack per source message."""
    expected, graph = Expected(), Graph()
    expected.chain(shape, [number for numbers in sources for number in numbers], "end", final=True)
    given = [ListSource(numbers) for numbers in sources]

    async def scenario() -> Any:
        flow = Flow("graph", capacity=capacity) | merge(*given)
        for part in graph.chain(shape, "end", final=True):
            flow = flow | part
        async with flow.start() as running:
            graph.look = lambda: check(running.statistics())
            async with asyncio.timeout(60):
                return await running.wait()

    def check(statistics: Any) -> None:
        assert statistics.balanced, statistics
        for one in statistics.stages.values():
            assert one.peak_items <= capacity
            assert one.in_hand >= 0

    report = asyncio.run(scenario())

    check(report.statistics)
    assert (report.ending, report.in_flight) == ("finished", 0)
    assert graph.delivered == expected.delivered
    assert (report.filtered, report.dead) == (expected.filtered, expected.dead)
    for source in given:
        assert sorted(map(int, source.acked)) == list(range(len(source.items)))
    assert len(report.stages) == len(set(report.stages))
