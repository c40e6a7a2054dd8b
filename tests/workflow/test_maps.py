"""A step over many items: a page of them is open, and a share may fail."""

import pytest

from penstock.testing._workflow_simulation import Fate, Script, WorkflowSimulation
from penstock.workflow import command, event
from penstock.workflow._graph import Graph, Node
from penstock.workflow._policy import MapConfig
from tests.workflow.driver import Driver, broken, ref


def mapped(items: int, *, parallel: int = 2, allow_failed: int | str = 0) -> Driver:
    rule = MapConfig(over="${{ x }}", parallel=parallel, allow_failed=allow_failed)
    run = Driver(Node("a", mapped=rule), Node("b", ("a",))).admit()
    run.send(event.Resolved("a", items=items))
    return run


def test_only_a_page_of_items_is_open() -> None:
    run = mapped(5)
    assert [asked.ref.item for asked in run.asked(command.StartAttempt)] == [0, 1]

    run.send(event.AttemptSucceeded(ref("a", item=1)))

    assert [asked.ref.item for asked in run.asked(command.StartAttempt)] == [2]
    assert list(run.state.steps["a"].units) == [0, 2]


def test_a_map_without_items_succeeds() -> None:
    run = mapped(0)

    assert run.states() == {"a": "SUCCEEDED", "b": "READY"}


def test_failures_within_the_allowance_end_in_a_warning_that_lists_them() -> None:
    run = mapped(4, parallel=4, allow_failed="50%")
    run.send(event.AttemptFailed(ref("a", item=2), broken()))
    run.send(event.AttemptFailed(ref("a", item=0), broken()))
    for item in (1, 3):
        run.send(event.AttemptSucceeded(ref("a", item=item)))

    assert run.states() == {"a": "WARNED", "b": "READY"}
    completed = next(told for told in run.last.events if told.kind == "PIPELINE_STEP_COMPLETED")
    assert completed.data["failed_items"] == (2, 0)


def test_one_failure_too_many_stops_the_rest() -> None:
    run = mapped(9, parallel=3, allow_failed=1)
    run.send(event.AttemptFailed(ref("a", item=0), broken()))
    run.send(event.AttemptFailed(ref("a", item=1), broken()))
    stopped = [asked.ref.item for asked in run.asked(command.StopAttempt)]
    assert stopped == [2, 3]
    assert run.asked(command.StartAttempt) == []

    for item in stopped:
        run.send(event.AttemptStopped(ref("a", item=item)))

    assert run.states() == {"a": "FAILED", "b": "SKIPPED"}


def test_the_key_of_an_item_is_the_same_for_all_its_attempts() -> None:
    run = mapped(1)
    run.send(event.AttemptStarted(ref("a", item=0)), event.AttemptLost(ref("a", item=0)))

    assert run.asked(command.StartAttempt) == [command.StartAttempt(ref("a", 2, item=0), "r/a/0")]


def test_more_items_than_a_map_may_have_fail_the_step() -> None:
    run = mapped(5_001)

    assert run.state.state == "FAILED"
    assert "at most 5000 items" in run.state.failure.message


@pytest.mark.slow
def test_five_thousand_items_go_through_a_page() -> None:
    rule = MapConfig(over="${{ x }}", parallel=16, allow_failed="1%")
    fates = {f"/a/{item}": (Fate.FATAL,) for item in range(0, 5_000, 125)}
    simulation = WorkflowSimulation(
        Graph.of([Node("a", mapped=rule)]), Script(fates, {"a": 5_000}), seed=1
    )

    run = simulation.finish(limit=20_000)

    assert run.steps["a"].state == "WARNED"
    assert (run.steps["a"].succeeded, len(run.steps["a"].failed)) == (4_960, 40)
