"""Two things at once: the order in which the run hears of them decides."""

from datetime import timedelta

import pytest

from penstock.testing._workflow_simulation import START
from penstock.workflow import command, decide, event
from penstock.workflow._errors import ErrorClass, RefusedError
from penstock.workflow._graph import Node
from penstock.workflow._policy import StepRetry, Timeouts
from tests.workflow.driver import Driver, broken, chain, ref

KIND = command.TimerKind


def test_a_step_that_succeeds_after_the_cancel_keeps_its_result_and_the_run_is_cancelled() -> None:
    run = Driver(*chain("a", "b")).admit()
    run.send(event.AttemptStarted(ref("a")), event.CancelRequested())
    assert run.asked(command.StopAttempt) == [command.StopAttempt(ref("a"))]

    run.send(event.AttemptSucceeded(ref("a")))

    assert run.state.state == "CANCELLED"
    assert run.states() == {"a": "SUCCEEDED", "b": "CANCELLED"}


def test_a_run_that_ended_before_the_cancel_refuses_it() -> None:
    run = Driver(Node("a")).admit().run("a")

    with pytest.raises(RefusedError, match="SUCCEEDED, which is final"):
        run.send(event.CancelRequested())


def test_cancelled_is_said_only_when_the_stop_is_confirmed() -> None:
    run = Driver(Node("a")).admit()
    run.send(event.AttemptStarted(ref("a")), event.CancelRequested())
    run.send(event.AttemptLost(ref("a")))

    assert run.state.state == "CANCELLING"
    assert run.asked(command.StopAttempt) == [command.StopAttempt(ref("a"))]

    run.send(event.AttemptStopped(ref("a")))

    assert run.state.state == "CANCELLED"


def test_an_unconfirmed_stop_alerts_once_and_is_asked_for_again() -> None:
    run = Driver(Node("a")).admit()
    run.send(event.AttemptStarted(ref("a")), event.CancelRequested())

    run.fire(KIND.STOP, "a")
    assert run.kinds() == ["PIPELINE_STEP_STOP_UNCONFIRMED"]
    assert run.asked(command.StopAttempt) == [command.StopAttempt(ref("a"))]

    run.fire(KIND.STOP, "a")
    assert run.kinds() == []
    assert run.state.state == "CANCELLING"


def test_force_ends_a_cancel_whose_remote_side_is_not_reachable() -> None:
    run = Driver(Node("a")).admit()
    run.send(event.AttemptStarted(ref("a")), event.CancelRequested(), event.ForceRequested())

    assert run.state.state == "CANCELLED"
    assert run.last.events[-1].data["remote"] == "unknown"


def test_force_alone_ends_nothing() -> None:
    run = Driver(Node("a")).admit()

    with pytest.raises(RefusedError, match="cancel it first"):
        run.send(event.ForceRequested())


def test_a_worker_that_takes_an_attempt_during_the_cancel_is_stopped() -> None:
    run = Driver(Node("a")).admit()
    run.send(event.CancelRequested(), event.AttemptStarted(ref("a")))

    assert run.asked(command.StopAttempt) == [command.StopAttempt(ref("a"))]
    assert run.state.state == "CANCELLING"


def test_a_replaced_attempt_can_neither_succeed_nor_fail() -> None:
    run = Driver(Node("a")).admit()
    run.send(event.AttemptStarted(ref("a")), event.AttemptLost(ref("a")))
    before = run.state

    for late in (event.AttemptSucceeded(ref("a")), event.AttemptFailed(ref("a"), broken())):
        run.send(late)
        assert run.last.events == run.last.commands == ()
        assert run.state is before

    run.send(event.AttemptStarted(ref("a")))
    assert run.last.commands == (command.StopAttempt(ref("a")),)


def test_a_success_that_overtakes_the_stop_after_a_time_out_counts() -> None:
    """The work is done: to do it again would help nobody."""
    run = Driver(Node("a", timeouts=Timeouts(attempt=timedelta(seconds=5)))).admit()
    run.send(event.AttemptStarted(ref("a")))
    run.fire(KIND.ATTEMPT, "a")

    run.send(event.AttemptSucceeded(ref("a")))

    assert run.state.state == "SUCCEEDED"


def test_a_timed_out_attempt_is_not_retried_before_its_stop_is_confirmed() -> None:
    """Kill and confirm, then retry: two live attempts of one step would write twice."""
    node = Node("a", retry=StepRetry(maximum_attempts=2), timeouts=Timeouts(attempt=timedelta(5)))
    run = Driver(node).admit()
    run.send(event.AttemptStarted(ref("a")))
    run.fire(KIND.ATTEMPT, "a")
    assert run.states() == {"a": "RUNNING"}

    run.send(event.AttemptStopped(ref("a")))

    assert run.states() == {"a": "RETRYING"}


def test_a_clock_that_goes_back_does_not_take_the_run_with_it() -> None:
    run = Driver(Node("a")).admit()
    then = run.state.now

    decision = decide(run.state, event.AttemptStarted(ref("a")), START - timedelta(hours=1))

    assert decision.state.now == then
    assert decision.events[0].at == then


def test_a_timer_that_fires_late_changes_nothing() -> None:
    run = Driver(*chain("a", "b")).admit().run("a")
    before = run.state

    for kind in (KIND.QUEUE, KIND.ATTEMPT, KIND.HEARTBEAT, KIND.RETRY, KIND.STOP, KIND.STEP):
        run.fire(kind, "a")
        assert run.last.events == run.last.commands == ()
        assert run.state is before


def test_a_run_is_started_once_however_often_it_is_submitted_and_admitted() -> None:
    run = Driver(Node("a")).admit()

    run.send(event.Submitted(), event.Admitted())

    assert run.last.events == run.last.commands == ()


def test_a_pause_lets_open_attempts_end_and_starts_none() -> None:
    run = Driver(*chain("a", "b")).admit()
    run.send(
        event.AttemptStarted(ref("a")), event.PauseRequested(), event.AttemptSucceeded(ref("a"))
    )
    assert run.states() == {"a": "SUCCEEDED", "b": "READY"}
    assert run.asked(command.StartAttempt) == []

    run.send(event.ResumeRequested())

    assert run.kinds() == ["PIPELINE_RESUMED"]
    assert run.asked(command.StartAttempt) == [command.StartAttempt(ref("b"), "r/b")]


def test_a_run_time_out_stops_what_runs_and_fails_the_run() -> None:
    run = Driver(*chain("a", "b"), timeout=timedelta(hours=1)).admit()
    run.send(event.AttemptStarted(ref("a")))
    run.fire(KIND.RUN)
    assert run.asked(command.StopAttempt) == [command.StopAttempt(ref("a"))]

    run.send(event.AttemptStopped(ref("a")))

    assert run.state.state == "FAILED"
    assert run.last.events[-1].data["error"] == ErrorClass.TIMEOUT
    assert run.states() == {"a": "CANCELLED", "b": "CANCELLED"}


def test_an_attempt_that_is_handed_back_costs_nothing() -> None:
    run = Driver(Node("a")).admit()
    for number in range(1, 9):
        run.send(event.AttemptStarted(ref("a", number)), event.AttemptReturned(ref("a", number)))

    assert run.states() == {"a": "READY"}
    assert run.asked(command.StartAttempt) == [command.StartAttempt(ref("a", 9), "r/a")]


def test_a_heartbeat_puts_the_watchdog_off() -> None:
    run = Driver(Node("a", timeouts=Timeouts(heartbeat=timedelta(seconds=10)))).admit()
    run.send(event.AttemptStarted(ref("a")))
    run.now += timedelta(seconds=8)
    run.send(event.AttemptBeat(ref("a")))
    run.now += timedelta(seconds=4)
    run.fire(KIND.HEARTBEAT, "a")
    assert run.asked(command.StopAttempt) == []
    (timer,) = run.asked(command.SetTimer)

    run.now = timer.due
    run.fire(KIND.HEARTBEAT, "a")

    assert run.asked(command.StopAttempt) == [command.StopAttempt(ref("a"))]
