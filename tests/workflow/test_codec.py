"""What is written down is read back as it was, or refused by name."""

import json

import pytest

from penstock.base import RecordError
from penstock.testing._workflow_simulation import WorkflowSimulation
from penstock.workflow import codec, event
from penstock.workflow._graph import Graph, Node
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


_STEP_END = (
    '"failing":null,"reason":"","blocked":false,"unknown":false,"origin":"","undo":"none",'
    '"undo_unit":null}'
)
_STORED = [
    (
        "event",
        (
            '{"kind":"TimerFired","timer":{"kind":"attempt",'
            '"ref":{"step":"a","item":-1,"number":1,"undo":false}}}'
        ),
    ),
    (
        "domain",
        (
            '{"seq":9,"kind":"PIPELINE_STEP_FAILED","at":"2026-03-01T00:02:20.117000Z",'
            '"state":"FAILED","step":"a","data":{"error":"timeout","failed_items":[1]}}'
        ),
    ),
    (
        "domain",
        '{"seq":1,"kind":"PIPELINE_QUEUED","at":"2026-03-01T00:00:00Z","state":"QUEUED","step":""}',
    ),
    (
        "step",
        '{"name":"c","state":"RUNNING","units":{"1":{"number":2,"state":"RUNNING","failures":1,'
        '"lost":0,"beat_at":"2026-03-01T00:03:00.095000Z",'
        '"stopping":{"error":"timeout","message":"it was slow"},"alerted":true,"unknown":true}},'
        '"total":2,"opened":2,"succeeded":0,"failed":[0],' + _STEP_END,
    ),
    (
        "step",
        '{"name":"c","state":"PENDING","total":-1,"opened":0,"succeeded":0,"failed":[],'
        + _STEP_END,
    ),
]


@pytest.mark.parametrize(
    ("kind", "row"), _STORED, ids=["event", "domain", "no data", "step", "no units"]
)
def test_rows_of_every_version_have_one_form(kind: str, row: str) -> None:
    """State directories outlive versions: a class or a field under another name would lose them."""
    read, write = getattr(codec, f"decode_{kind}"), getattr(codec, f"encode_{kind}")

    assert write(read(row, place="row")) == row


def test_the_row_of_a_run_has_one_form() -> None:
    """As those of its parts."""
    stored = (
        '{"run":"r","state":"RUNNING","submitted":true,"version":8,"seq":11,'
        '"now":"2026-03-01T00:01:00.059000Z","open_steps":1,'
        '"failure":{"error":"timeout","message":"it was slow"},"failed_step":"a","ending":"",'
        '"undo_on_cancel":false,"compensation":"none","remote_unknown":false,"retries":0,'
        '"between_steps":true}'
    )

    run = codec.decode_run(stored, graph=Graph.of(()), steps={}, place="row")

    assert codec.encode_run(run) == stored


@pytest.mark.parametrize(
    ("change", "named"), [({"later": 1}, "later"), ({"seq": "1"}, "seq"), ({"now": ...}, "now")]
)
def test_a_run_that_is_not_whole_is_refused_by_name(change: dict, named: str) -> None:
    """Every field is written, so one that is missing or of another type is damage."""
    run = Driver(Node("a")).admit().state
    changed = {**json.loads(codec.encode_run(run)), **change}
    row = {name: value for name, value in changed.items() if value is not ...}

    with pytest.raises(RecordError, match=f"run r is not a run .*{named}"):
        codec.decode_run(json.dumps(row), graph=run.graph, steps=run.steps, place="run r")
