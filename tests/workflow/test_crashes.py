"""Crashes at every commit: what is kept is enough to go on, and nothing shows in the end."""

from collections.abc import Callable

import pytest

from penstock.testing._workflow_simulation import WorkflowSimulation
from penstock.workflow import codec, domain, event
from tests.workflow.model import random_case
from tests.workflow.test_kernel_properties import check_end, check_story


class Kept(WorkflowSimulation):
    """A simulation that forgets, after chosen decisions, all but what a store would have kept."""

    def __init__(self, seed: int, crashes: Callable[[int], bool]) -> None:
        self._crashes = crashes
        self.decisions = 0
        graph, script = random_case(seed)
        super().__init__(graph, script, seed=seed)

    def deliver(self, happened: event.Event) -> domain.Decision:
        decision = super().deliver(happened)
        self.decisions += 1
        self.require_held()
        if self._crashes(self.decisions):
            self.reload()
            self.crash()
            self.require_held()
        return decision

    def require_held(self) -> None:
        """An attempt that runs has a worker, or its end is on its way: nothing runs for ever."""
        told = {getattr(coming, "ref", None) for coming in self.waiting}
        for ref in self.running():
            assert ref in self._fated or ref in told, f"{ref} is RUNNING without a lease"

    def reload(self) -> None:
        """Read the run back from the text that a store has of it."""
        graph = self.state.graph
        head = codec.encode_run(self.state)
        rows = {name: codec.encode_step(step) for name, step in self.state.steps.items()}
        steps = {name: codec.decode_step(row, place=name) for name, row in rows.items()}
        back = codec.decode_run(head, graph=graph, steps=steps, place="run")
        assert back == self.state
        self.state = back


def survives(seed: int) -> int:
    """Crash after each decision in turn, one to a run; returns how many there were."""
    plain = Kept(seed, lambda _: False)
    plain.finish()
    point = 1 + seed % max(plain.decisions, 1)
    crashed = Kept(seed, lambda number: number == point)
    crashed.finish()
    check_end(crashed, crashed.state.graph)
    check_story(crashed)
    return plain.decisions


def check_seeds(seeds: range) -> None:
    for seed in seeds:
        try:
            survives(seed)
        except Exception as error:
            raise AssertionError(f"seed {seed}") from error


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_a_crash_after_any_decision_changes_nothing_in_the_end(part: int) -> None:
    """2,000 seeds in all; the crash wanders over the decisions of the run."""
    check_seeds(range(part * 500, (part + 1) * 500))


@pytest.mark.slow
def test_crashes_at_every_commit_of_one_run_change_nothing_in_the_end() -> None:
    """Each decision of a run is followed by a crash, in a run of its own."""
    for seed in range(40):
        plain = Kept(seed, lambda _: False)
        plain.finish()
        for point in range(1, plain.decisions + 1):
            crashed = Kept(seed, point.__eq__)
            crashed.finish()
            check_end(crashed, crashed.state.graph)
            check_story(crashed)


@pytest.mark.soak
def test_a_crash_after_any_decision_of_very_many_runs_changes_nothing(
    record_property: Callable[[str, object], None],
) -> None:
    check_seeds(range(10_000, 110_000))
    record_property("seeds", 100_000)
