"""The port behind which runs are carried out: embedded, or on Temporal."""

import uuid
from collections.abc import Mapping
from typing import Any, Final, Protocol

from penstock.base import Value
from penstock.workflow._pipeline import Pipeline
from penstock.workflow._run import RunRecord

_NAMESPACE: Final = uuid.UUID("8f3c8f6e-5d0e-5b7a-9c55-0b1f6c8f1a57")


def run_id(tenant: str, pipeline: str, run_key: str) -> str:
    """The id of a run: the same key of the same pipeline always gives the same run."""
    return str(uuid.uuid5(_NAMESPACE, "\0".join((tenant, pipeline, run_key))))


class RunRequest(Value):
    """What somebody wants to have run."""

    tenant: str
    pipeline: Pipeline
    run_key: str
    """Makes the request unique: the run id follows from tenant, pipeline name and this key."""

    params: Mapping[str, Any]
    """Values of all parameters, as `Pipeline.bind` gives them."""

    trigger: str = "manual"
    """What caused it, for the audit: `manual`, `schedule`, `restart`, ..."""

    initial: RunRecord | None = None
    """A run that takes over steps of an earlier one, as `restart` gives it."""


class Engine(Protocol):
    """Carries out runs durably, by the kernel's decisions and nothing else.

    Every change of a run is one decision, kept whole or not at all. A crash, stop or upgrade at any
    moment leaves no run stuck: whichever process starts next on the same state takes up what is
    open. Final states and domain events of a run are the same on every engine.

    All methods are safe to call again, from several processes. Those that name a run raise
    `LookupError` where the tenant has none of that id.
    """

    async def submit(self, request: RunRequest) -> tuple[str, bool]:
        """Accept a run; it survives whatever comes once this has returned.

        Returns:
            The run's id, and whether this call created it: a key that was used before gives the
            earlier run and starts nothing.

        Raises:
            NotRunnableError: The definition has keys of a later version.
        """
        ...

    async def state(self, tenant: str, run: str) -> RunRecord:
        """The run as it stands, no older than the last event that a consumer was sent."""
        ...

    async def pause(self, tenant: str, run: str) -> None:
        """Start no further attempt; those that run go on.

        Raises:
            RefusedError: The run is neither RUNNING nor PAUSED.
        """
        ...

    async def resume(self, tenant: str, run: str) -> None:
        """Go on with a paused run, or try a failed compensation again.

        Raises:
            RefusedError: There is nothing to resume.
        """
        ...

    async def cancel(
        self, tenant: str, run: str, *, reason: str, compensate: bool = False, force: bool = False
    ) -> None:
        """Request the end of a run; it is CANCELLED when everything has been seen to stop.

        Args:
            tenant: Whose run it is.
            run: Its id.
            reason: For the audit and for people.
            compensate: Whether what succeeded is undone.
            force: Whether to end a cancel or compensation that hangs, remote side unknown.

        Raises:
            RefusedError: The run is final; or `force` without a cancel before it.
        """
        ...

    async def wait(self, tenant: str, run: str) -> RunRecord:
        """Return the run once it is final and no compensation of it is under way."""
        ...
