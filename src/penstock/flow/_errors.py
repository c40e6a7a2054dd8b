"""What can go wrong in a flow, by what the caller does about it."""

import asyncio
from dataclasses import dataclass

from penstock.base import PenstockError


class FlowError(PenstockError):
    """Catch this to catch whatever a flow raises by itself."""


class PoisonError(FlowError):
    """Raise it in a stage: this message will never succeed, so it is dead-lettered without a retry."""


class FatalError(FlowError):
    """Raise it in a stage: no message can succeed, so the flow ends now and nothing more is lost to it."""


@dataclass(eq=False)
class ChannelClosedError(FlowError):
    """Something was put into a channel after its end; a fault of the caller."""

    channel: str

    def __str__(self) -> str:
        return f"channel {self.channel!r} is closed; nothing may be put after the end of the stream"


@dataclass(eq=False)
class TooManyOutputsError(FatalError):
    """One attempt made more outputs than may be held back until it has succeeded."""

    stage: str
    limit: int

    def __str__(self) -> str:
        return (
            f"stage {self.stage!r} made more than {self.limit:,} outputs of one message, which is more than its "
            "channel holds; say streaming=True (repeats may then reach the sink), or give it a larger capacity"
        )


@dataclass(eq=False)
class ResultCountError(PoisonError):
    """A batch function did not return one result per message."""

    stage: str
    expected: int
    returned: str

    def __str__(self) -> str:
        return (
            f"stage {self.stage!r} got a batch of {self.expected:,} and returned {self.returned}; return a list with "
            "one result per message (Drop() for none), or say collective=True"
        )


@dataclass(eq=False)
class ErrorBudgetError(FatalError):
    """More messages are dead than the flow may lose; those not settled yet are handed back."""

    budget: str
    state: str

    exit_code = 3

    def __str__(self) -> str:
        return (
            f"the error budget {self.budget} is spent: {self.state}; look at the dead letters, "
            "repair the cause, or allow more"
        )


@dataclass(eq=False)
class StageTimeoutError(FlowError):
    """One attempt took longer than the stage allows; retried like any other error."""

    stage: str
    seconds: float

    def __str__(self) -> str:
        return (
            f"an attempt in stage {self.stage!r} took longer than its time-out of {self.seconds:g}s"
        )


@dataclass(eq=False)
class StageCancelledError(FlowError):
    """The function let a cancellation out that was not ours; retried like any other error."""

    stage: str

    def __str__(self) -> str:
        return (
            f"an attempt in stage {self.stage!r} ended with CancelledError although nobody cancelled it; "
            "catch it where the function awaits something that may be cancelled"
        )


def failure_of(error: BaseException, stage: str) -> Exception:
    """What an attempt failed with; a CancelledError is a failure where nobody has cancelled its task.

    Raises:
        asyncio.CancelledError: Somebody has.
    """
    if isinstance(error, Exception):
        return error
    task = asyncio.current_task()
    if task is None or task.cancelling():
        raise error
    return StageCancelledError(stage)


@dataclass(eq=False)
class WorkerDiedError(FlowError):
    """The process that worked on the message died; the attempt counts, the other workers go on."""

    stage: str
    how: str
    memory: bool = False
    """Whether it is known to have run out of memory."""

    def __str__(self) -> str:
        return f"a worker of stage {self.stage!r} died ({self.how}) with this message in its hands"


@dataclass(eq=False)
class NotPicklableError(FatalError):
    """A process stage was given something that cannot travel between processes."""

    stage: str
    what: str
    why: str

    def __str__(self) -> str:
        return (
            f"stage {self.stage!r} runs in processes, and {self.what} cannot be sent there ({self.why}); "
            "define functions and classes at the top level of a module, open handles inside the function, "
            "or use pool='thread'"
        )


@dataclass(eq=False)
class CheckpointError(FlowError):
    """A flow cannot go on from its checkpoint, or with its source; what is on disk was not changed."""

    place: str
    problem: str
    way_out: str

    def __str__(self) -> str:
        return f"{self.place}: {self.problem}; {self.way_out}"


class DamagedCheckpointError(CheckpointError):
    """No version of the progress can be read."""

    exit_code = 5
