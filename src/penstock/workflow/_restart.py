"""A new run that takes over what an earlier one has done: the earlier one stays as it ended."""

from penstock.base import suggest
from penstock.workflow._errors import RefusedError
from penstock.workflow._graph import Graph
from penstock.workflow._run import Compensation, RunRecord, StepRecord
from penstock.workflow._steps import satisfied


def restart(earlier: RunRecord, run: str, *, graph: Graph, from_step: str = "") -> RunRecord:
    """Return a new run, not yet submitted, that begins where `earlier` went wrong.

    A step is taken over if it did its work, nothing undid it, and nothing that it waits for runs
    again. Its results are those of the run named by `origin`, under whose key it is undone too.

    Args:
        earlier: A run that has ended.
        run: Id of the new run.
        graph: The version to go on with: that of `earlier`, or a newer one. Steps that are new run.
        from_step: Run this step again, and all that depend on it, whatever became of them; empty
            for the steps that did not succeed.

    Raises:
        RefusedError: `earlier` has not ended, or `graph` has no such step.
    """
    if not earlier.state.final or earlier.compensation is Compensation.RUNNING:
        reason = f"it is {earlier.state}, and its compensation is {earlier.compensation}; wait for its end"
        raise RefusedError(earlier.run, "restarted", reason)
    if from_step and from_step not in graph.nodes:
        hint = suggest(from_step, graph.order)
        raise RefusedError(earlier.run, "restarted", f"there is no step {from_step!r}; {hint}")
    done = {name for name in graph.order if name in earlier.steps and _done(earlier.steps[name])}
    again = graph.downstream({*graph.order} - done | ({from_step} if from_step else set()))
    kept = [_taken_over(earlier, name) for name in graph.order if name not in again]
    return RunRecord.new(run, graph, kept)


def _done(record: StepRecord) -> bool:
    return record.state.ended and satisfied(record) and record.undo is Compensation.NONE


def _taken_over(earlier: RunRecord, name: str) -> StepRecord:
    record = earlier.steps[name]
    return StepRecord(
        name,
        record.state,
        total=record.total,
        opened=record.opened,
        succeeded=record.succeeded,
        failed=record.failed,
        reason=record.reason,
        origin=record.origin or earlier.run,
    )
