"""One word for a whole pipeline, as users of the first design know it."""

from enum import StrEnum
from typing import Final

from penstock.workflow._run import RunRecord
from penstock.workflow._states import RunState, StepState, VersionState


class Phase(StrEnum):
    """Where a pipeline stands, in one list."""

    DRAFT = "DRAFT"
    VALIDATED = "VALIDATED"
    SCHEDULED = "SCHEDULED"
    RUNNING = "RUNNING"
    STEP_COMPLETED = "STEP_COMPLETED"
    RETRYING = "RETRYING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


_ENDS: Final = {
    RunState.SUCCEEDED: Phase.SUCCEEDED,
    RunState.FAILED: Phase.FAILED,
    RunState.CANCELLED: Phase.FAILED,
}

_VERSIONS: Final = {
    VersionState.DRAFT: Phase.DRAFT,
    VersionState.SCHEDULED: Phase.SCHEDULED,
}


def phase(version: VersionState, latest: RunRecord | RunState | None = None) -> Phase:
    """Return the phase of a pipeline.

    While a run is open: RETRYING if a step waits to be tried again, STEP_COMPLETED from a step's
    end until the next attempt starts, RUNNING otherwise. After it: how it ended, and a cancelled
    run shows as FAILED, until the next one. Without a run, or where the latest was skipped: the
    version's state; one that is paused or archived is valid and not scheduled, so VALIDATED.

    Args:
        version: State of the current version.
        latest: The newest run; its state alone will do where it has ended. None if there was none.
    """
    state = latest.state if isinstance(latest, RunRecord) else latest
    if state is None or state is RunState.SKIPPED:
        return _VERSIONS.get(version, Phase.VALIDATED)
    if state in _ENDS:
        return _ENDS[state]
    if not isinstance(latest, RunRecord):
        return Phase.RUNNING
    if any(step.state is StepState.RETRYING for step in latest.steps.values()):
        return Phase.RETRYING
    return Phase.STEP_COMPLETED if latest.between_steps else Phase.RUNNING
