"""What must become of a run, said without events: an independent, naive model of the kernel."""

import random
from dataclasses import dataclass
from datetime import timedelta

from penstock.testing._workflow_simulation import Fate, Script
from penstock.workflow._graph import Graph, Node, UndoRule
from penstock.workflow._policy import MapConfig, StepRetry, Timeouts

LETTERS = "abcdefgh"


def random_case(seed: int) -> tuple[Graph, Script]:
    """A small random graph and what the world does to it."""
    chance = random.Random(seed)
    names = LETTERS[: chance.choice((1, 2, 2, 3, 3, 4, 4, 5, 6, 8))]
    order = "".join(chance.sample(names, len(names)))
    nodes, items, fates, refused = [], {}, {}, set()
    for index, name in enumerate(order):
        mapped = chance.random() < 0.2
        undo = chance.random() < 0.5
        nodes.append(_node(chance, name, order[:index], mapped=mapped, undo=undo))
        if nodes[-1].conditional and chance.random() < 0.4:
            refused.add(name)
        keys = [f"/{name}"]
        if mapped:
            items[name] = chance.choice((0, 1, 2, 3, 5))
            keys = [f"/{name}/{item}" for item in range(items[name])]
        if undo:
            keys.append(f"/{name}/undo")
        fates.update({key: _fates(chance) for key in keys})
    chance.shuffle(nodes)
    graph = Graph.of(nodes, compensate=chance.random() < 0.6)
    return graph, Script(fates, items, frozenset(refused))


def _node(chance: random.Random, name: str, before: str, *, mapped: bool, undo: bool) -> Node:
    needs = tuple(sorted(chance.sample(before, min(len(before), chance.choice((0, 1, 1, 2))))))
    rule = MapConfig(
        over="x", parallel=chance.choice((1, 2, 9)), allow_failed=chance.choice((0, 1, "50%"))
    )
    return Node(
        name,
        needs,
        _RETRIES[chance.choice((1, 1, 2, 3))],
        _LIMITS,
        conditional=chance.random() < 0.15,
        mapped=rule if mapped else None,
        undo=UndoRule(_RETRIES[chance.choice((1, 2))], _LIMITS) if undo else None,
    )


_RETRIES = {count: StepRetry(maximum_attempts=count) for count in (1, 2, 3)}
_LIMITS = Timeouts(attempt=timedelta(minutes=1), heartbeat=timedelta(seconds=20))


def _fates(chance: random.Random) -> tuple[Fate, ...]:
    if chance.random() < 0.6:
        return ()
    several = chance.choices(
        (Fate.FAIL, Fate.HANG, Fate.LOSE, Fate.RETURN, Fate.FATAL),
        (5, 2, 2, 1, 2),
        k=chance.choice((1, 2, 3)),
    )
    while several.count(Fate.LOSE) > 1:
        several.remove(Fate.LOSE)
    return tuple(several)


@dataclass(frozen=True)
class Outcome:
    """Of one piece of work, whatever the order of events was."""

    succeeded: bool
    doubtful: bool
    """Whether an attempt may have had effects that nobody saw."""


def outcome(fates: tuple[Fate, ...], attempts: int) -> Outcome:
    """Walk the script by hand."""
    failures, doubtful = 0, False
    for fate in fates:
        doubtful = doubtful or fate in (Fate.HANG, Fate.LOSE)
        if fate is Fate.SUCCEED:
            break
        if fate is Fate.FATAL:
            return Outcome(succeeded=False, doubtful=doubtful)
        if fate in (Fate.FAIL, Fate.HANG):
            failures += 1
            if failures == attempts:
                return Outcome(succeeded=False, doubtful=doubtful)
    return Outcome(succeeded=True, doubtful=doubtful)


@dataclass(frozen=True)
class Expected:
    """How a run must end."""

    run: str
    compensation: str
    steps: dict[str, set[str]]
    """The states in which each step may end; more than one only where the order decides."""


def expected(graph: Graph, script: Script, lost: frozenset[str] = frozenset()) -> Expected:
    """How a run ends that nobody interferes with; `lost` names the work that crashes cut short."""
    states = {name: _state(name, graph, script) for name in graph.nodes}
    failed = "FAILED" in states.values()
    run = "FAILED" if failed else "SUCCEEDED"
    steps = {name: {"SKIPPED" if state == "BLOCKED" else state} for name, state in states.items()}
    if not (failed and graph.compensate):
        return Expected(run, "none", steps)
    certain, possible = _to_undo(graph, script, states, lost)
    if possible:
        return Expected(run, "", {name: {*kinds, "COMPENSATED"} for name, kinds in steps.items()})
    undone = {name for name in certain if _undone(name, certain, graph, script)}
    steps.update({name: {"COMPENSATED"} for name in undone})
    compensation = "none" if not certain else "done" if undone == certain else "failed"
    return Expected(run, compensation, steps)


def _state(name: str, graph: Graph, script: Script) -> str:
    node = graph.nodes[name]
    if any(_state(need, graph, script) in ("FAILED", "BLOCKED") for need in node.needs):
        return "BLOCKED"
    if name in script.refused:
        return "SKIPPED"
    ends = _ends(node, script)
    bad = sum(not end.succeeded for end in ends)
    rule = node.mapped
    allowed = 0
    if rule is not None:
        share = rule.allow_failed
        allowed = share if isinstance(share, int) else len(ends) * int(share.rstrip("%")) // 100
    return "FAILED" if bad > allowed else "WARNED" if bad else "SUCCEEDED"


def _ends(node: Node, script: Script) -> list[Outcome]:
    attempts = node.retry.maximum_attempts
    if node.mapped is None:
        return [outcome(script.fates.get(f"/{node.name}", ()), attempts)]
    count = script.items[node.name]
    return [
        outcome(script.fates.get(f"/{node.name}/{item}", ()), attempts) for item in range(count)
    ]


def _to_undo(
    graph: Graph, script: Script, states: dict[str, str], lost: frozenset[str]
) -> tuple[set[str], bool]:
    """Which steps are undone; and whether a map that failed half-way makes that a matter of order."""
    certain: set[str] = set()
    for name, node in graph.nodes.items():
        if node.undo is None or states[name] in ("BLOCKED", "SKIPPED"):
            continue
        ends = _ends(node, script)
        if node.mapped and states[name] == "FAILED":
            return set(), True
        if any(end.succeeded or end.doubtful for end in ends) or _own(name) & lost:
            certain.add(name)
    return certain, False


def _own(name: str) -> set[str]:
    return {f"/{name}", *(f"/{name}/{item}" for item in range(9))}


def _undone(name: str, certain: set[str], graph: Graph, script: Script) -> bool:
    undo = graph.nodes[name].undo
    assert undo is not None
    later = {other for other in certain if name in graph.upstream(other)}
    own = outcome(script.fates.get(f"/{name}/undo", ()), undo.retry.maximum_attempts)
    return own.succeeded and all(_undone(other, certain, graph, script) for other in later)
