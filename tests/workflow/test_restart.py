"""Going on from an earlier run, and the one word that sums a pipeline up."""

import pytest

from penstock.workflow import RunRecord, command, decide, event, phase, restart
from penstock.workflow._errors import ErrorClass, RefusedError
from penstock.workflow._graph import Graph, Node, UndoRule
from penstock.workflow._policy import StepRetry
from penstock.workflow._states import VersionState
from tests.workflow.driver import Driver, broken, chain, ref


def failed() -> Driver:
    run = Driver(*chain("a", "b", "c")).admit().run("a")
    run.send(event.AttemptFailed(ref("b"), broken()))
    return run


def started(state: RunRecord) -> list[str]:
    """The steps that a run starts with."""
    submitted = decide(state, event.Submitted(), state.now).state
    asked = decide(submitted, event.Admitted(), state.now).commands
    return [each.key for each in asked if isinstance(each, command.StartAttempt)]


def test_a_restart_takes_over_what_succeeded() -> None:
    earlier = failed().state

    again = restart(earlier, "r2", graph=earlier.graph)

    assert started(again) == ["r2/b"]
    assert again.steps["a"].origin == "r"
    assert earlier.state == "FAILED"


def test_a_restart_from_a_step_runs_all_behind_it_again() -> None:
    run = Driver(*chain("a", "b", "c"), Node("z")).admit().run("a", "z", "b", "c")

    again = restart(run.state, "r2", graph=run.state.graph, from_step="b")

    assert started(again) == ["r2/b"]
    assert {name: str(step.state) for name, step in again.steps.items()} == {
        "a": "SUCCEEDED",
        "b": "PENDING",
        "c": "PENDING",
        "z": "SUCCEEDED",
    }


def test_a_new_version_runs_its_new_steps_and_all_behind_them() -> None:
    run = Driver(*chain("a", "b", "c")).admit().run("a", "b", "c")
    newer = Graph.of([Node("a"), Node("x", ("a",)), Node("b", ("x",)), Node("c", ("b",))])

    again = restart(run.state, "r2", graph=newer)

    assert started(again) == ["r2/x"]
    assert again.steps["b"].state == "PENDING"


def test_a_step_that_was_undone_runs_again() -> None:
    run = Driver(*chain("a", "b", undo=UndoRule()), compensate=True).admit().run("a")
    run.send(event.AttemptFailed(ref("b"), broken()))
    run.send(event.AttemptSucceeded(ref("a", undo=True)))

    again = restart(run.state, "r2", graph=run.state.graph)

    assert started(again) == ["r2/a"]


def test_what_was_taken_over_is_undone_under_the_key_of_the_run_that_did_it() -> None:
    run = Driver(*chain("a", "b", undo=UndoRule())).admit().run("a")
    run.send(event.AttemptFailed(ref("b"), broken()))
    newer = Graph.of(chain("a", "b", undo=UndoRule()), compensate=True)
    state = restart(run.state, "r2", graph=newer)
    for happened in (event.Submitted(), event.Admitted(), event.AttemptFailed(ref("b"), broken())):
        decision = decide(state, happened, run.now)
        state = decision.state

    assert decision.commands == (command.StartAttempt(ref("a", undo=True), "r/a/undo"),)


def test_a_restart_with_nothing_left_to_do_succeeds() -> None:
    run = Driver(Node("a")).admit().run("a")
    state = restart(run.state, "r2", graph=run.state.graph)

    for happened in (event.Submitted(), event.Admitted()):
        state = decide(state, happened, run.now).state

    assert state.state == "SUCCEEDED"


def test_an_open_run_cannot_be_restarted() -> None:
    run = Driver(Node("a")).admit()

    with pytest.raises(RefusedError, match="wait for its end"):
        restart(run.state, "r2", graph=run.state.graph)


def test_an_unknown_step_to_restart_from_is_named() -> None:
    run = failed()

    with pytest.raises(RefusedError, match="there is no step 'x'"):
        restart(run.state, "r2", graph=run.state.graph, from_step="x")


@pytest.mark.parametrize("version", list(VersionState))
def test_without_a_run_the_phase_is_the_version(version: VersionState) -> None:
    assert phase(version) == (version if version in ("DRAFT", "SCHEDULED") else "VALIDATED")


def test_the_phase_follows_the_run() -> None:
    run = Driver(*chain("a", "b", retry=StepRetry(maximum_attempts=2))).admit()
    seen = [phase(VersionState.SCHEDULED, run.state)]
    happenings = (
        event.AttemptStarted(ref("a")),
        event.AttemptSucceeded(ref("a")),
        event.AttemptStarted(ref("b")),
        event.AttemptFailed(ref("b"), broken(ErrorClass.TRANSIENT)),
        event.TimerFired(command.TimerId(command.TimerKind.RETRY, ref("b", 2))),
        event.AttemptSucceeded(ref("b", 2)),
    )
    for happened in happenings:
        run.send(happened)
        seen.append(phase(VersionState.SCHEDULED, run.state))

    assert seen == [
        "RUNNING",
        "RUNNING",
        "STEP_COMPLETED",
        "RUNNING",
        "RETRYING",
        "RUNNING",
        "SUCCEEDED",
    ]


def test_a_cancelled_run_shows_as_failed_and_a_skipped_one_as_none() -> None:
    for happened, shown in (
        (event.CancelRequested(), "FAILED"),
        (event.Skipped("overlap"), "SCHEDULED"),
    ):
        run = Driver(Node("a"))
        run.send(happened)

        assert phase(VersionState.SCHEDULED, run.state) == shown
