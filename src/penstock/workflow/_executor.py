"""The port behind which the work of a step is done: a process, a query, a job on some cluster."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from msgspec import field

from penstock.base import Value
from penstock.workflow._errors import Failure
from penstock.workflow._run import AttemptRef


class Work(Value):
    """One attempt, ready to be carried out."""

    tenant: str
    run: str
    ref: AttemptRef
    key: str
    """The idempotency key: the same for every attempt of this work, stable over restarts."""

    action: Mapping[str, Any]
    """The step type's own part of the definition, expressions evaluated, secrets put in."""

    deadline: datetime | None = None
    """When the attempt times out; the kernel stops it then, executors may pass it on."""

    files: Mapping[str, str] = field(default_factory=dict)
    """Text of the queries and scripts of the pinned version, by the path that the action names."""


class JobHandle(Value):
    """Where the work is to be found again, also by another process and after a restart."""

    executor: str
    """Name of the executor that can read it."""

    name: str
    """Deterministic from `Work.key`, so that a second submission meets the first one's job."""

    data: Mapping[str, str] = field(default_factory=dict)
    """What else it takes to find the job: an address, a namespace. Never a secret."""


class Artifact(Value):
    """A file that the work left, for people or for further programs."""

    name: str
    """Its path below the attempt's directory of artifacts."""

    size: int
    """Bytes."""

    sha256: str
    """Of its content, in hexadecimal."""

    place: str
    """Where it is: a path below the state directory, or a URL."""


class JobState(StrEnum):
    """What is known of the work."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    STOPPED = "stopped"
    """Nothing of it runs, here or there, and it neither succeeded nor failed."""

    ABSENT = "absent"
    """The remote side knows of no such job, and answers for certain."""


class Observation(Value):
    """The state of the work at one moment."""

    state: JobState
    result: Any = None
    """What it returned: JSON of at most 64 KiB, or a reference to more."""

    artifacts: tuple[Artifact, ...] = ()
    """What it left, durable by then; with SUCCEEDED only."""

    failure: Failure | None = None
    """Set with FAILED, with the class by which the retry policy decides."""

    beats: int = 0
    """Rises with each sign of life, by which `timeout.heartbeat` is kept."""


class Executor(Protocol):
    """Does the work of steps of one type.

    An engine calls `handle`, stores the handle together with the lease, and only then `submit`, so
    that no crash can leave a job that nobody can find. Effects happen at least once; the key lets
    the outside world make that once.

    All methods may be called again with the same arguments, by another process too. Cancellation of
    the calling task leaves the job running. An unreachable remote side raises; it is never reported
    as an outcome.
    """

    outlives: bool = False
    """Whether jobs go on when the process that submitted them ends; an engine that stops leaves them."""

    def handle(self, work: Work) -> JobHandle:
        """Name the job, without any effect. Equal keys give equal names."""
        ...

    async def submit(self, work: Work, handle: JobHandle) -> None:
        """Start the job, or meet the one of the same name that runs or has succeeded.

        A job of the same name that failed or was stopped is replaced.

        Raises:
            ConnectionError: It is not known whether the job was started; `observe` tells.
        """
        ...

    async def observe(self, handle: JobHandle) -> Observation:
        """Return what is known now, after at most a few seconds.

        Raises:
            ConnectionError: The remote side cannot be asked.
        """
        ...

    async def cancel(self, handle: JobHandle) -> None:
        """Request the stop; harmless for a job that is over. `observe` tells when nothing runs any more.

        Raises:
            ConnectionError: The remote side cannot be asked.
        """
        ...

    async def reattach(self, handle: JobHandle) -> bool:
        """Take up a job that another process submitted: its logs, its heartbeats.

        Returns:
            False if the job cannot outlive its process and is gone, all of it: the attempt is lost.
        """
        ...
