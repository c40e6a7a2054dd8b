"""A flow as it was written, checked and with all defaults filled in: what a run is made from."""

import random
from collections.abc import Hashable
from typing import Any

from penstock.base import Clock, Value
from penstock.flow._branch import Fork
from penstock.flow._budgets import BudgetOptions
from penstock.flow._checkpoint import Checkpoint
from penstock.flow._stage import Stage


class FlowOptions(Value):
    """What holds for a whole flow; durations in seconds, sizes in bytes."""

    name: str
    capacity: int
    capacity_bytes: int
    dead_letters: Any
    drain_timeout: float
    clock: Clock
    seed: int | None
    early_ack: bool
    budgets: BudgetOptions
    once: str | None
    checkpoint: Checkpoint | None


class Origin(Value):
    """A source, and the place of the stage that it feeds."""

    source: Any
    below: int


class Node(Value):
    """A stage, and the places of those below: none below a sink, one per branch below a fork."""

    stage: Stage[..., Any]
    fork: Fork[Any] | None
    below: tuple[tuple[Hashable, int], ...]
    """By branch; the only one below a stage has the key None."""


class FlowPlan(Value):
    """A graph without cycles: what is below a stage stands after it."""

    options: FlowOptions
    origins: tuple[Origin, ...]
    nodes: tuple[Node, ...]

    @property
    def stages(self) -> tuple[Stage[..., Any], ...]:
        """Forks and sinks included, in the order in which they were written."""
        return tuple(node.stage for node in self.nodes)

    def feeds(self) -> list[int]:
        """How many sources, stages and branches hand messages to each stage."""
        feeds = [0] * len(self.nodes)
        for origin in self.origins:
            feeds[origin.below] += 1
        for node in self.nodes:
            for _, place in node.below:
                feeds[place] += 1
        return feeds

    def capacity(self, stage: Stage[..., Any]) -> int:
        """Most messages that wait before `stage`."""
        return stage.options.capacity or self.options.capacity

    def capacity_bytes(self, stage: Stage[..., Any]) -> int:
        """Most bytes that wait before `stage`."""
        return stage.options.capacity_bytes or self.options.capacity_bytes

    def chance(self) -> random.Random:
        """The flow's own randomness."""
        return random.Random(self.options.seed)  # noqa: S311 - jitter, not secrets
