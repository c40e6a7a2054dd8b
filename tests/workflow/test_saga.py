"""Undoing what was done: in reverse order, whatever is in doubt too, and again if it failed."""

import pytest

from penstock.workflow import command, event
from penstock.workflow._errors import ErrorClass, RefusedError
from penstock.workflow._graph import Node, UndoRule
from penstock.workflow._policy import StepRetry
from tests.workflow.driver import Driver, broken, chain, ref

UNDO = UndoRule()


def saga(*done: str, names: str = "abc") -> Driver:
    """A chain of steps that all know how to undo themselves, of which some have succeeded."""
    return Driver(*chain(*names, undo=UNDO), compensate=True).admit().run(*done)


def undone(run: Driver, name: str, number: int = 1) -> None:
    attempt = ref(name, number, undo=True)
    run.send(event.AttemptStarted(attempt), event.AttemptSucceeded(attempt))


def test_what_succeeded_is_undone_in_reverse_order() -> None:
    run = saga("a", "b")
    run.send(event.AttemptFailed(ref("c"), broken()))
    assert run.state.state == "COMPENSATING"
    assert run.asked(command.StartAttempt) == [
        command.StartAttempt(ref("b", undo=True), "r/b/undo")
    ]

    undone(run, "b")
    undone(run, "a")

    assert run.kinds() == ["PIPELINE_STEP_COMPENSATED", "PIPELINE_FAILED"]
    assert run.states() == {"a": "COMPENSATED", "b": "COMPENSATED", "c": "FAILED"}
    assert run.state.compensation == "done"


def test_a_step_whose_outcome_is_unknown_is_undone_too() -> None:
    """It may have done its work before it went silent; undoing must tolerate that it did not."""
    run = saga("a", "b")

    run.send(event.AttemptFailed(ref("c"), broken(ErrorClass.TIMEOUT)))

    assert run.asked(command.StartAttempt) == [
        command.StartAttempt(ref("c", undo=True), "r/c/undo")
    ]


def test_a_doubt_of_an_earlier_attempt_is_not_forgotten() -> None:
    run = saga(names="a")
    run.send(event.AttemptStarted(ref("a")), event.AttemptLost(ref("a")))

    run.send(event.AttemptFailed(ref("a", 2), broken()))

    assert run.state.state == "COMPENSATING"


def test_a_failed_compensation_leaves_the_run_failed_and_can_be_resumed() -> None:
    run = saga("a", "b")
    run.send(event.AttemptFailed(ref("c"), broken()))
    run.send(event.AttemptFailed(ref("b", undo=True), broken()))
    assert run.state.state == "FAILED"
    assert run.state.compensation == "failed"
    assert run.states() == {"a": "SUCCEEDED", "b": "SUCCEEDED", "c": "FAILED"}

    run.send(event.ResumeRequested())
    assert run.asked(command.StartAttempt) == [
        command.StartAttempt(ref("b", 2, undo=True), "r/b/undo")
    ]
    undone(run, "b", 2)
    undone(run, "a")

    assert run.state.state == "FAILED"
    assert run.state.compensation == "done"
    assert run.kinds() == ["PIPELINE_STEP_COMPENSATED", "PIPELINE_COMPENSATION_ENDED"]


def test_a_repeated_report_of_a_failed_compensation_changes_nothing() -> None:
    run = saga("a", names="ab")
    run.send(event.AttemptFailed(ref("b"), broken()))
    failed = event.AttemptFailed(ref("a", undo=True), broken())
    run.send(failed)
    before = run.state.seq

    run.send(failed, event.AttemptSucceeded(ref("a", undo=True)))

    assert run.state.seq == before


def test_a_compensation_has_retries_of_its_own() -> None:
    rule = UndoRule(retry=StepRetry(maximum_attempts=2))
    run = Driver(Node("a", undo=rule), Node("b", ("a",)), compensate=True).admit().run("a")
    run.send(event.AttemptFailed(ref("b"), broken()))

    run.send(event.AttemptFailed(ref("a", undo=True), broken(ErrorClass.TRANSIENT)))

    assert [asked.timer.kind for asked in run.asked(command.SetTimer)] == ["retry"]
    assert run.state.state == "COMPENSATING"


def test_independent_branches_are_undone_side_by_side() -> None:
    nodes = [Node("a", undo=UNDO), Node("b", undo=UNDO), Node("c", ("a", "b"))]
    run = Driver(*nodes, compensate=True).admit().run("a", "b")

    run.send(event.AttemptFailed(ref("c"), broken()))

    assert [asked.ref.step for asked in run.asked(command.StartAttempt)] == ["b", "a"]


def test_a_cancel_undoes_only_if_asked() -> None:
    for asked, state in ((False, "CANCELLED"), (True, "COMPENSATING")):
        run = saga("a")
        run.send(event.CancelRequested(compensate=asked), event.AttemptStopped(ref("b")))

        assert run.state.state == state


def test_a_cancelled_run_whose_compensation_is_done_is_cancelled() -> None:
    run = saga("a")
    run.send(event.CancelRequested(compensate=True), event.AttemptStopped(ref("b")))
    undone(run, "a")

    assert run.state.state == "CANCELLED"
    assert run.states()["a"] == "COMPENSATED"


def test_a_cancel_during_the_compensation_is_refused() -> None:
    run = saga("a")
    run.send(event.AttemptFailed(ref("b"), broken()))

    with pytest.raises(RefusedError, match="force"):
        run.send(event.CancelRequested())


def test_force_gives_a_compensation_up_and_it_can_be_resumed() -> None:
    run = saga("a")
    run.send(event.AttemptFailed(ref("b"), broken()), event.ForceRequested())
    assert run.state.state == "FAILED"
    assert run.last.events[-1].data["compensation"] == "failed"
    assert run.last.events[-1].data["remote"] == "unknown"
    assert run.asked(command.StopAttempt) == [command.StopAttempt(ref("a", undo=True))]

    run.send(event.ResumeRequested())
    undone(run, "a", 2)

    assert run.state.compensation == "done"


def test_a_run_without_anything_to_undo_fails_at_once() -> None:
    run = saga()

    run.send(event.AttemptFailed(ref("a"), broken()))

    assert run.state.state == "FAILED"
    assert run.state.compensation == "none"
