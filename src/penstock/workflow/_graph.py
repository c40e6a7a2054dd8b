"""What the kernel needs to know of a definition: who waits for whom, and each step's limits."""

from collections import deque
from collections.abc import Iterable, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Final

from penstock.base import Value
from penstock.workflow._policy import MapConfig, StepRetry, Timeouts

_RETRY: Final = StepRetry()
_TIMEOUTS: Final = Timeouts()


class UndoRule(Value):
    """How a step is compensated."""

    retry: StepRetry = _RETRY
    timeouts: Timeouts = _TIMEOUTS


class Node(Value):
    """One step, as far as the kernel is concerned."""

    name: str
    needs: tuple[str, ...] = ()
    retry: StepRetry = _RETRY
    timeouts: Timeouts = _TIMEOUTS
    conditional: bool = False
    """Whether `when` decides if it runs."""

    mapped: MapConfig | None = None
    undo: UndoRule | None = None


class Graph(Value):
    """The steps of one version, acyclic, with every name in `needs` known.

    Build it with `Graph.of`, or by `Pipeline.graph`; equal inputs give equal graphs.
    """

    order: tuple[str, ...]
    """All names, topologically; steps that could stand side by side stand by name."""

    nodes: Mapping[str, Node]
    """By name, in that order."""

    dependents: Mapping[str, tuple[str, ...]]
    """For each step, those that need it, sorted."""

    timeout: timedelta | None = None
    """Longest time from admission to the end of the last step."""

    compensate: bool = False
    """Whether a failed run is compensated."""

    retry_budget: int = 1_000
    """Retries that all steps of a run may use together."""

    stop_grace: timedelta = timedelta(seconds=60)
    """Wait for a confirmed stop, before the request is repeated and an alert is raised."""

    @staticmethod
    def of(
        nodes: Iterable[Node],
        *,
        timeout: timedelta | None = None,
        compensate: bool = False,
        retry_budget: int = 1_000,
        stop_grace: timedelta = timedelta(seconds=60),
    ) -> "Graph":
        """Order `nodes`, which must be valid.

        Raises:
            ValueError: A name in `needs` is unknown, or the graph has a cycle; a definition that
                was validated cannot cause it.
        """
        by_name = {node.name: node for node in nodes}
        dependents = dependents_of({name: node.needs for name, node in by_name.items()})
        order = topological({name: node.needs for name, node in by_name.items()})
        if len(order) != len(by_name):
            left = ", ".join(sorted(by_name.keys() - set(order)))
            raise ValueError(
                f"expected a graph without a cycle; these steps are in or behind one: {left}"
            )
        return Graph(
            tuple(order),
            MappingProxyType({name: by_name[name] for name in order}),
            MappingProxyType(dependents),
            timeout,
            compensate,
            retry_budget,
            stop_grace,
        )

    def downstream(self, names: Iterable[str]) -> frozenset[str]:
        """`names` and all that depends on them, directly or not."""
        found = set(names)
        waiting = deque(found)
        while waiting:
            fresh = [name for name in self.dependents[waiting.popleft()] if name not in found]
            found.update(fresh)
            waiting.extend(fresh)
        return frozenset(found)

    def upstream(self, name: str) -> frozenset[str]:
        """All that `name` waits for, directly or not, without itself."""
        found: set[str] = set()
        waiting = deque(self.nodes[name].needs)
        while waiting:
            needed = waiting.popleft()
            if needed not in found:
                found.add(needed)
                waiting.extend(self.nodes[needed].needs)
        return frozenset(found)


def dependents_of(needs: Mapping[str, Iterable[str]]) -> dict[str, tuple[str, ...]]:
    """The reverse of `needs`: who waits for each name, sorted.

    Raises:
        ValueError: A needed name is no key.
    """
    found: dict[str, list[str]] = {name: [] for name in needs}
    for name in sorted(needs):
        for needed in needs[name]:
            if needed not in found:
                raise ValueError(f"expected steps that exist in needs of {name!r}, got {needed!r}")
            found[needed].append(name)
    return {name: tuple(dict.fromkeys(waiting)) for name, waiting in found.items()}


def topological(needs: Mapping[str, Iterable[str]]) -> list[str]:
    """The names in an order in which all needs come first; what is in or behind a cycle is left out."""
    open_needs = {name: len(set(needed)) for name, needed in needs.items()}
    dependents = dependents_of(needs)
    ready = deque(sorted(name for name, count in open_needs.items() if count == 0))
    order = []
    while ready:
        name = ready.popleft()
        order.append(name)
        for dependent in dependents[name]:
            open_needs[dependent] -= 1
            if open_needs[dependent] == 0:
                ready.append(dependent)
    return order
