"""Retries, time-outs, skips: what becomes of a step."""

from datetime import timedelta

import pytest

from penstock.workflow import command, event, outstanding
from penstock.workflow._attempts import jitter
from penstock.workflow._errors import ErrorClass
from penstock.workflow._graph import Node
from penstock.workflow._policy import StepRetry, Timeouts
from tests.workflow.driver import Driver, broken, chain, ref

KIND = command.TimerKind


def retrying(attempts: int = 3, **options: object) -> Driver:
    return Driver(Node("a", retry=StepRetry(maximum_attempts=attempts)), **options).admit()


@pytest.mark.parametrize("error", list(ErrorClass))
def test_the_error_class_decides_whether_a_step_is_tried_again(error: ErrorClass) -> None:
    run = retrying()

    run.send(event.AttemptFailed(ref("a"), broken(error)))

    again = {
        "transient": "RETRYING",
        "timeout": "RETRYING",
        "throttled": "RETRYING",
        "lost": "READY",
    }
    assert run.states()["a"] == again.get(error, "FAILED")


def test_the_wait_has_full_jitter_that_is_the_same_on_every_engine() -> None:
    run = retrying()
    run.send(event.AttemptFailed(ref("a"), broken(ErrorClass.TRANSIENT)))
    (timer,) = run.asked(command.SetTimer)

    assert timer.due - run.now == timedelta(seconds=0.5 * jitter("r", ref("a")))
    drawn = [jitter(f"r{number}", ref("a")) for number in range(2_000)]
    assert abs(sum(drawn) / len(drawn) - 0.5) < 0.03
    assert min(drawn) < 0.01
    assert max(drawn) > 0.99


def test_attempts_end_where_the_policy_says() -> None:
    run = retrying(2)
    run.send(event.AttemptFailed(ref("a"), broken(ErrorClass.TRANSIENT)))
    run.fire(KIND.RETRY, "a", 2)
    run.send(event.AttemptFailed(ref("a", 2), broken(ErrorClass.TRANSIENT)))

    assert run.state.state == "FAILED"


def test_the_budget_of_the_run_ends_retries_too() -> None:
    run = retrying(0, retry_budget=1)
    run.send(event.AttemptFailed(ref("a"), broken(ErrorClass.TRANSIENT)))
    run.fire(KIND.RETRY, "a", 2)
    run.send(event.AttemptFailed(ref("a", 2), broken(ErrorClass.TRANSIENT)))

    assert run.state.state == "FAILED"
    assert run.state.failure is not None
    assert run.state.failure.message.endswith("the run has used up its retry budget of 1")


@pytest.mark.parametrize(
    ("attempts", "said"),
    [(2, "wrong; not tried again, as 'data' is not in retry_on"), (1, "wrong")],
)
def test_attempts_that_are_left_and_of_no_use_are_explained(attempts: int, said: str) -> None:
    """Who wrote `maximum_attempts` wonders why there was but one."""
    run = retrying(attempts)

    run.send(event.AttemptFailed(ref("a"), broken()))

    failure = run.state.failure
    assert failure is not None
    assert failure.message == said


def test_a_step_that_takes_its_worker_with_it_is_given_up_at_the_fourth_time() -> None:
    """A crash costs no attempt of the policy, and a step that causes it cannot go on for ever."""
    run = Driver(Node("a")).admit()
    for number in (1, 2, 3):
        run.send(event.AttemptStarted(ref("a", number)), event.AttemptLost(ref("a", number)))
        assert run.states() == {"a": "READY"}

    run.send(event.AttemptStarted(ref("a", 4)), event.AttemptLost(ref("a", 4)))

    assert run.states() == {"a": "FAILED"}
    assert run.state.failure.error is ErrorClass.LOST


def test_an_attempt_that_no_worker_takes_times_out_in_the_queue() -> None:
    run = Driver(Node("a", timeouts=Timeouts(queue=timedelta(minutes=1)))).admit()
    run.fire(KIND.QUEUE, "a")
    run.send(event.AttemptStopped(ref("a")))

    assert run.state.state == "FAILED"
    assert not run.state.steps["a"].unknown


def test_the_time_out_of_a_step_holds_over_all_its_attempts() -> None:
    node = Node(
        "a", retry=StepRetry(maximum_attempts=0), timeouts=Timeouts(step=timedelta(minutes=1))
    )
    run = Driver(node).admit()
    run.send(event.AttemptFailed(ref("a"), broken(ErrorClass.TRANSIENT)))

    run.fire(KIND.STEP, "a")

    assert run.states() == {"a": "FAILED"}
    assert run.state.failure.error is ErrorClass.TIMEOUT


def test_what_depends_on_a_failed_step_is_skipped_and_the_rest_goes_on() -> None:
    run = Driver(*chain("a", "b", "c"), Node("z")).admit()
    run.send(event.AttemptFailed(ref("a"), broken()))
    assert run.states() == {"a": "FAILED", "b": "SKIPPED", "c": "SKIPPED", "z": "READY"}
    assert run.state.state == "RUNNING"

    run.run("z")

    assert run.state.state == "FAILED"
    assert run.last.events[-1].data["failed_step"] == "a"


def test_a_step_that_its_own_when_skips_holds_nobody_up() -> None:
    run = Driver(Node("a", conditional=True), Node("b", ("a",))).admit()
    assert run.asked(command.ResolveStep) == [command.ResolveStep("a")]

    run.send(event.Resolved("a", wanted=False))

    assert run.states() == {"a": "SKIPPED", "b": "READY"}


def test_an_expression_that_fails_fails_its_step() -> None:
    run = Driver(Node("a", conditional=True)).admit()

    run.send(event.NotResolved("a", "there is no 'x'"))

    assert run.state.state == "FAILED"
    assert run.state.failure.error is ErrorClass.CONFIG


def test_a_run_waits_for_its_upstream_then_for_admission() -> None:
    run = Driver(Node("a"))
    assert run.asked(command.AskAdmission) == [command.AskAdmission()]

    waiting = type(run.state).new("w", run.state.graph)
    run.state = waiting
    run.send(event.Submitted(awaits_upstream=True), event.Admitted())
    assert run.state.state == "WAITING_UPSTREAM"
    run.send(event.UpstreamArrived(), event.Admitted())

    assert run.state.state == "RUNNING"


@pytest.mark.parametrize(
    ("happened", "state"),
    [(event.Skipped("overlap"), "SKIPPED"), (event.CancelRequested(), "CANCELLED")],
)
def test_a_run_that_never_began_cancels_its_steps(happened: event.Event, state: str) -> None:
    run = Driver(*chain("a", "b"))

    run.send(happened)

    assert run.state.state == state
    assert run.states() == {"a": "CANCELLED", "b": "CANCELLED"}


def test_a_restarted_engine_takes_up_what_the_state_waits_for() -> None:
    run = Driver(Node("a"), Node("b"), Node("c", conditional=True))
    assert outstanding(run.state) == (command.AskAdmission(),)
    run.admit().send(event.AttemptStarted(ref("b")))

    assert outstanding(run.state) == (
        command.StartAttempt(ref("a"), "r/a"),
        command.ResolveStep("c"),
    )


def test_a_stop_that_nobody_has_confirmed_is_taken_up_too() -> None:
    run = Driver(Node("a")).admit()
    run.send(event.AttemptStarted(ref("a")), event.CancelRequested())

    assert outstanding(run.state) == (command.StopAttempt(ref("a")),)


def test_an_ended_run_waits_for_nothing() -> None:
    run = Driver(Node("a")).admit().run("a")

    assert outstanding(run.state) == ()
