"""A flow as it was written, checked and with all defaults filled in: what a run is made from."""

import random
from typing import Any

from penstock.base import Clock, ConfigError, Problem, dataclass
from penstock.flow._stage import Stage, as_stage


@dataclass(frozen=True)
class FlowOptions:
    """What holds for a whole flow; durations in seconds, sizes in bytes."""

    name: str
    capacity: int
    capacity_bytes: int
    dead_letters: Any
    drain_timeout: float
    clock: Clock
    seed: int | None


@dataclass(frozen=True)
class FlowPlan:
    """One source and its stages, of which the last is the sink."""

    options: FlowOptions
    source: Any
    stages: tuple[Stage[..., Any], ...]

    def capacity(self, stage: Stage[..., Any]) -> int:
        """Most messages that wait before `stage`."""
        return stage.options.capacity or self.options.capacity

    def capacity_bytes(self, stage: Stage[..., Any]) -> int:
        """Most bytes that wait before `stage`."""
        return stage.options.capacity_bytes or self.options.capacity_bytes

    def chance(self) -> random.Random:
        """The flow's own randomness."""
        return random.Random(self.options.seed)  # noqa: S311 - jitter, not secrets


def plan_of(options: FlowOptions, parts: tuple[Any, ...]) -> FlowPlan:
    """Check what stands between the bars.

    Raises:
        ConfigError: All that is wrong with it.
    """
    problems: list[Problem] = []
    if len(parts) < 2:
        missing = "source and no stage or sink" if not parts else "stage or sink"
        hint = f"write Flow({options.name!r}) | source | stage | ... | sink"
        problems.append(Problem("<python>", 0, options.name, f"the flow has no {missing}", hint))
    stages: list[Stage[..., Any]] = []
    for part in parts[1:]:
        try:
            stages.append(as_stage(part))
        except TypeError as error:
            problems.append(Problem("<python>", 0, options.name, str(error)))
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(tuple(problems))
    return FlowPlan(options, parts[0], tuple(_distinct(stages)))


def _distinct(stages: list[Stage[..., Any]]) -> list[Stage[..., Any]]:
    """Stages of one name are numbered, so that statistics can tell them apart."""
    seen: dict[str, int] = {}
    distinct = []
    for stage in stages:
        seen[stage.name] = seen.get(stage.name, 0) + 1
        again = seen[stage.name] > 1
        distinct.append(stage.renamed(f"{stage.name}-{seen[stage.name]}") if again else stage)
    return distinct
