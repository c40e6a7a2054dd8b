"""From what stands between the bars to a plan: every part is checked, and all problems are told at once."""

from collections.abc import Callable, Hashable
from typing import Any

from msgspec import Struct, field

from penstock.base import ConfigError, Problem
from penstock.flow._branch import Chain, Fork, Merge, Parts
from penstock.flow._plan import FlowOptions, FlowPlan, Node, Origin
from penstock.flow._sink import ProgressSink
from penstock.flow._source import SeekableSource, Source
from penstock.flow._stage import Stage, as_stage


class _Made(Struct):
    """A node whose neighbours below are still to come."""

    stage: Stage[..., Any]
    fork: Fork[Any] | None
    below: list[tuple[Hashable, int]] = field(default_factory=list)


End = tuple[list[tuple[Hashable, int]], Hashable]
"""Where the next part is to be noted, and under which key."""


class Planner:
    """Joins parts, in the order in which they were written."""

    def __init__(self, flow: str) -> None:
        self.problems: list[Problem] = []
        self.made: list[_Made] = []
        self.origins: list[tuple[Any, list[tuple[Hashable, int]]]] = []
        self._flow = flow

    def source(self, source: Any) -> list[End]:
        """The ends below a source, or below each of several."""
        if isinstance(source, Merge):
            return [end for one in source.sources for end in self.source(one)]
        if isinstance(source, Chain):
            if not source.parts:
                self._problem("a flow without a source cannot be merged")
                return []
            return self.branch(source.parts[1:], self.source(source.parts[0]), final=False)
        below: list[tuple[Hashable, int]] = []
        self.origins.append((source, below))
        return [(below, None)]

    def chain(self, parts: Parts, ends: list[End], *, final: bool) -> list[End]:
        """The ends below these parts; `final` where nothing comes after them."""
        for place, part in enumerate(parts, start=1):
            ends = self._part(part, ends, final=final and place == len(parts))
        return ends

    def branch(self, parts: Parts, ends: list[End], *, final: bool) -> list[End]:
        """As `chain`; a last part that gives nothing is a sink, although more comes after the branch."""
        ends = self.chain(parts, ends, final=final)
        if final or not parts or isinstance(parts[-1], Fork) or not self.made:
            return ends
        return [] if self.made[-1].stage.gives_nothing else ends

    def resumable(self) -> None:
        """See whether a checkpoint can hold the progress of what was joined."""
        for source, _ in self.origins:
            if isinstance(source, Source) and not isinstance(source, SeekableSource):
                self._problem(
                    f"the source {type(source).__name__} cannot go on from a checkpoint: it has no offsets; "
                    "give it the methods of SeekableSource, or remove checkpoint="
                )
        keepers = [
            made.stage.name for made in self.made if isinstance(made.stage.function, ProgressSink)
        ]
        if len(keepers) > 1:
            self._problem(
                f"several sinks would keep the progress ({', '.join(keepers)}), and could not agree; "
                "let one be a ProgressSink"
            )

    def _part(self, part: Any, ends: list[End], *, final: bool) -> list[End]:
        if isinstance(part, Fork):
            return self._fork(part, ends, final=final)
        if isinstance(part, (Merge, Chain)):
            self._problem(
                "merge(...) and flows are sources, and stand first; "
                "branches come together in the part after their route or tee"
            )
            return ends
        try:
            stage = as_stage(part)
        except TypeError as error:
            self._problem(str(error))
            return ends
        except ConfigError as error:
            self.problems += error.problems
            return ends
        made = self._join(stage, None, ends)
        return [] if final or stage.ends else [(made.below, None)]

    def _fork(self, fork: Fork[Any], ends: list[End], *, final: bool) -> list[End]:
        made = self._join(fork.stage, fork, ends)
        below = []
        for key, parts in fork.branches:
            if final and not parts:
                self._problem(
                    f"a branch of {fork.stage.name!r} is empty and nothing follows; give it a sink"
                )
            else:
                below += self.branch(parts, [(made.below, key)], final=final)
        return below

    def _join(self, stage: Stage[..., Any], fork: Fork[Any] | None, ends: list[End]) -> _Made:
        if not ends:
            self._problem(
                f"nothing reaches {stage.name!r}: all that stands before it ends in sinks; "
                "leave one out, or add an empty branch, which flows on"
            )
        made = _Made(stage, fork)
        for below, key in ends:
            below.append((key, len(self.made)))
        self.made.append(made)
        return made

    def _problem(self, text: str) -> None:
        self.problems.append(Problem("<python>", 0, self._flow, text))


def plan_of(options: FlowOptions, parts: Parts, caller: Stage[..., Any] | None = None) -> FlowPlan:
    """Check what stands between the bars.

    Args:
        options: What holds for the whole flow.
        parts: First the source.
        caller: Takes the results in the place of a sink.

    Raises:
        ConfigError: All that is wrong with it.
    """
    planner = Planner(options.name)
    if len(parts) < (1 if caller else 2):
        missing = "source and no stage or sink" if not parts else "stage or sink"
        hint = f"write Flow({options.name!r}) | source | stage | ... | sink"
        text = f"the flow has no {missing}"
        raise ConfigError((Problem("<python>", 0, options.name, text, hint),))
    ends = planner.branch(parts[1:], planner.source(parts[0]), final=caller is None)
    if caller is not None:
        planner.chain((caller,), ends, final=True)
    if options.checkpoint is not None:
        planner.resumable()
    if planner.problems:
        raise ConfigError(tuple(planner.problems))
    origins = tuple(Origin(source, below[0][1]) for source, below in planner.origins)
    stages = _distinct([made.stage for made in planner.made])
    nodes = [
        Node(stage, made.fork, tuple(made.below))
        for stage, made in zip(stages, planner.made, strict=True)
    ]
    return FlowPlan(options, origins, tuple(nodes))


class Replacement:
    """Puts a changed part in the place of the stage that a plan gives that number.

    It counts stages in the order in which a `Planner` joins them.
    """

    def __init__(self, place: int, change: Callable[[Any], Any]) -> None:
        self._left = place
        self._change = change

    def flow(self, parts: Parts) -> Parts:
        """The parts of a flow, source included, with the changed one."""
        return (self._source(parts[0]), *self._parts(parts[1:]))

    def _parts(self, parts: Parts) -> Parts:
        return tuple(self._part(part) for part in parts)

    def _part(self, part: Any) -> Any:
        made = part if self._left else self._change(part)
        self._left -= 1
        if isinstance(made, Fork):
            return made.with_branches([self._parts(parts) for _, parts in made.branches])
        return made

    def _source(self, source: Any) -> Any:
        if isinstance(source, Merge):
            return Merge(tuple(self._source(one) for one in source.sources))
        return Chain(self.flow(source.parts)) if isinstance(source, Chain) else source


def _distinct(stages: list[Stage[..., Any]]) -> list[Stage[..., Any]]:
    """Stages of one name are numbered, so that statistics can tell them apart."""
    given = {stage.name for stage in stages}
    taken: set[str] = set()
    distinct = []
    for stage in stages:
        name, number = stage.name, 2
        while name in taken or (number > 2 and name in given):
            name, number = f"{stage.name}-{number}", number + 1
        taken.add(name)
        distinct.append(stage if name == stage.name else stage.renamed(name))
    return distinct
