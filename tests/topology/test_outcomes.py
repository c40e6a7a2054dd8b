"""How tasks end decides the exit code, and the gravest end wins."""

import asyncio
import itertools
import signal

import pytest

from penstock.base import PenstockError, RecordError
from penstock.topology import (
    CancelReason,
    DamagedStateError,
    ExitReason,
    FailureLimitError,
    PipelineError,
    Stats,
    Task,
    TaskError,
    TaskOutcome,
    TaskOutput,
)

_BY_CODE: dict[int, TaskOutcome] = {
    0: TaskOutput("done"),
    1: TaskError.Failed(PipelineError("no such bucket")),
    3: TaskError.Failed(FailureLimitError("10 files failed")),
    4: TaskError.Cancelled(CancelReason.DRAIN_DEADLINE),
    5: TaskError.Failed(DamagedStateError("txn is behind")),
}


@pytest.mark.parametrize(("code", "outcome"), _BY_CODE.items())
def test_each_outcome_has_its_exit_code(code: int, outcome: TaskOutcome) -> None:
    """Scripts branch on these numbers."""
    assert Stats(outcomes={"a": outcome}).exit_code == code


def test_of_several_pipelines_the_gravest_counts() -> None:
    """The order is 5, 4, 3, 1: what a person must look at comes first."""
    for codes in itertools.product(_BY_CODE, repeat=3):
        outcomes = {str(n): _BY_CODE[code] for n, code in enumerate(codes)}
        assert Stats(outcomes=outcomes).exit_code == max(codes)


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (TaskError.Panicked(ZeroDivisionError()), 1),
        (TaskError.Failed(RecordError("plan 7 cannot be read")), 5),
        (TaskError.Cancelled(CancelReason.INSIDE), 1),
    ],
)
def test_what_nobody_foresaw_is_a_failure_too(outcome: TaskOutcome, code: int) -> None:
    """Exit code 0 after a failure is the defect that hides all others."""
    assert Stats(outcomes={"a": TaskOutput("done"), "b": outcome}).exit_code == code


def test_work_cut_short_by_a_second_signal_ends_as_the_shell_expects() -> None:
    """130 and 143 are what wrappers look for; a real failure beside it is still told."""
    cut = TaskError.Cancelled(CancelReason.SIGNAL)

    alone = Stats(outcomes={"a": cut, "b": TaskOutput("done")}, signal=signal.SIGINT)
    beside = Stats(outcomes={"a": cut, "b": _BY_CODE[3]}, signal=signal.SIGINT)

    assert (alone.exit_code, alone.exit_reason) == (130, ExitReason.FAILED)
    assert beside.exit_code == 3


def _outcome_of(error: BaseException) -> TaskOutcome:
    async def work() -> str:
        raise error

    return asyncio.run(Task("a", "t", work()).outcome())


def test_our_errors_are_failures_and_all_others_panics() -> None:
    """The first say what to do; the others need their trace."""
    ours, foreign = PenstockError("x"), KeyError("y")

    assert _outcome_of(ours) == TaskError.Failed(ours)
    assert _outcome_of(foreign) == TaskError.Panicked(foreign)
    assert _outcome_of(asyncio.CancelledError()) == TaskError.Cancelled(CancelReason.INSIDE)


def test_an_error_inside_a_task_group_counts_as_itself() -> None:
    """Pipelines are made of task groups, and a group around damaged state is damaged state."""
    damaged, foreign, failed = DamagedStateError("x"), KeyError("y"), PipelineError("z")
    mixed = ExceptionGroup("mixed", [foreign, failed])

    assert _outcome_of(ExceptionGroup("g", [failed])) == TaskError.Failed(failed)
    assert _outcome_of(ExceptionGroup("g", [foreign])) == TaskError.Panicked(foreign)
    assert _outcome_of(ExceptionGroup("g", [mixed, damaged])) == TaskError.Failed(damaged)
    assert _outcome_of(mixed) == TaskError.Panicked(mixed)


def test_a_cancellation_from_outside_goes_through() -> None:
    """Swallowing it would hang whoever cancelled."""

    async def scenario() -> bool:
        async def work() -> str:
            await asyncio.Event().wait()
            return ""

        task = asyncio.create_task(Task("a", "t", work()).outcome())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
        return task.cancelled()

    assert asyncio.run(scenario())


def test_a_task_is_named_for_its_kind_and_key() -> None:
    """The name is what a debugger shows of a thousand tasks."""

    async def work() -> str:
        return ""

    task = Task("flights", "ingest", work())
    asyncio.run(task.outcome())

    assert task.name == "ingest/flights"
