"""What is written down is read back as it was, or refused by name."""

import json

import pytest

from penstock.base import RecordError
from penstock.testing._workflow_simulation import WorkflowSimulation
from penstock.workflow import codec, event
from penstock.workflow._graph import Node
from tests.workflow.driver import Driver, ref
from tests.workflow.model import random_case


def through_rows(state: object) -> object:
    """A run as a store gives it back."""
    steps = {
        name: codec.decode_step(codec.encode_step(step), place="row")
        for name, step in reversed(state.steps.items())
    }
    row = codec.encode_run(state)
    return codec.decode_run(row, graph=state.graph, steps=steps, place="row")


@pytest.mark.slow
def test_runs_and_events_survive_being_stored_after_every_decision() -> None:
    for seed in range(60):
        simulation = WorkflowSimulation(*random_case(seed), seed=seed)
        while not simulation.done:
            simulation.step()
            simulation.state = through_rows(simulation.state)
        for happened, decision in simulation.history:
            row = codec.encode_event(happened)
            assert codec.decode_event(row, place="row") == happened
            assert through_rows(decision.state) == decision.state


def test_steps_come_back_in_the_order_of_the_graph() -> None:
    """The kernel goes through them in order, whatever order a query gave."""
    run = Driver(Node("a"), Node("b", ("a",))).admit()

    assert list(through_rows(run.state).steps) == ["a", "b"]


@pytest.mark.parametrize(
    ("change", "named"),
    [({"later": 1}, "later"), ({"state": "NEW"}, "state"), ({"units": {"x": {}}}, "units")],
)
def test_a_row_of_a_newer_version_is_refused_by_name(change: dict, named: str) -> None:
    run = Driver(Node("a")).admit()
    row = {**json.loads(codec.encode_step(run.state.steps["a"])), **change}

    with pytest.raises(RecordError, match=named):
        codec.decode_step(json.dumps(row), place="step a of run r")


def test_a_run_with_a_missing_step_is_refused() -> None:
    run = Driver(Node("a")).admit()
    row = codec.encode_run(run.state)

    with pytest.raises(RecordError, match="other steps than its version: a"):
        codec.decode_run(row, graph=run.state.graph, steps={}, place="run r")


def test_an_unknown_event_is_refused() -> None:
    text = codec.encode_event(event.AttemptStarted(ref("a"))).replace("Started", "Missed")

    with pytest.raises(RecordError, match="AttemptMissed"):
        codec.decode_event(text, place="history of run r")
