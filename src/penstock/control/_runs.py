"""Runs, as somebody asks for them and about them."""

import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from penstock.base import PenstockError, Value
from penstock.engines import EmbeddedEngine
from penstock.workflow import (
    Pipeline,
    RunRecord,
    domain,
    engine,
    phase,
    record,
    restart,
    states,
    store,
)

_LISTED = 1_000
_VALID = states.VersionState.VALIDATED
"""What every version is that has a run."""


@dataclass(eq=False)
class RunNotFoundError(PenstockError):
    """There is no such run in this state directory, or the beginning of its id fits several."""

    exit_code = 2

    run: str
    matches: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.matches:
            return f"{self.run!r} fits several runs: {', '.join(self.matches[:5])}; give more of it"
        return f"there is no run {self.run!r} here; `penstock pipeline history` lists them"


@dataclass(eq=False)
class StepNotFoundError(PenstockError):
    """The run has no step of that name."""

    exit_code = 2

    run: str
    step: str
    steps: tuple[str, ...]

    def __str__(self) -> str:
        return f"run {self.run!r} has no step {self.step!r}; it has {', '.join(self.steps)}"


class StepView(Value):
    """A step, for people."""

    step: str
    state: str
    attempts: int
    items: str
    """Succeeded of all, for a map; else empty."""

    started_at: datetime | None
    ended_at: datetime | None
    message: str


class ArtifactView(Value):
    """A file that a step left."""

    step: str
    item: int | None
    """Of a map."""

    attempt: int
    name: str
    size: int
    """Bytes."""

    sha256: str
    place: str
    """A path below the state directory, or a URL."""


class RunView(Value):
    """A run, for people."""

    run: str
    pipeline: str
    digest: str
    run_key: str
    trigger: str
    state: str
    phase: str
    """What the pipeline's is, or was, with this as its latest run."""

    compensation: str
    message: str
    """Why it failed."""

    failed_step: str
    """The first step that did; empty where the run itself did, or none."""

    params: Mapping[str, Any]
    created_at: datetime
    ended_at: datetime | None
    steps: tuple[StepView, ...] = ()
    artifacts: tuple[ArtifactView, ...] = ()


class Runs:
    """What may be asked of the runs of one state directory.

    Requests are kept and fulfilled by whichever process works on the directory. Wherever a run is
    named the beginning of its id will do.
    """

    def __init__(self, carrier: EmbeddedEngine, stores: store.Stores) -> None:
        self._engine = carrier
        self._stores = stores

    async def start(
        self,
        tenant: str,
        pipeline: Pipeline,
        params: Mapping[str, Any],
        *,
        run_key: str = "",
        trigger: str = "manual",
    ) -> tuple[str, bool]:
        """Accept a run; see `Engine.submit`. Without a key each call is a new run.

        Raises:
            ConfigError: Parameters are missing, unknown or of the wrong type.
            NotRunnableError: The definition has keys of a later version.
        """
        return await self._engine.submit(
            engine.RunRequest(
                tenant, pipeline, run_key or uuid.uuid4().hex, pipeline.bind(params), trigger
            )
        )

    async def restart(
        self, tenant: str, run: str, *, pipeline: Pipeline | None = None, from_step: str = ""
    ) -> str:
        """Begin a new run that takes over what an earlier one has done; return its id.

        Args:
            tenant: Whose run it is.
            run: The earlier one, which has ended.
            pipeline: The version to go on with; that of the earlier run without it.
            from_step: Run this step and all behind it again; without it what did not succeed.

        Raises:
            RunNotFoundError: There is no such run.
            RefusedError: It has not ended, or there is no such step.
        """
        earlier = await self.load(tenant, run)
        version = pipeline or earlier.pipeline
        key = f"restart:{earlier.record.run}:{uuid.uuid4().hex}"
        fresh = engine.run_id(tenant, version.name, key)
        initial = restart(earlier.record, fresh, graph=version.graph, from_step=from_step)
        params = version.bind(
            {
                name: value
                for name, value in earlier.params.items()
                if name in version.definition.spec.parameters
            }
        )
        asked = engine.RunRequest(tenant, version, key, params, "restart", initial)
        return (await self._engine.submit(asked))[0]

    async def load(self, tenant: str, run: str) -> store.StoredRun:
        """Return a run with its version.

        Raises:
            RunNotFoundError: There is no such run.
        """
        with suppress(LookupError):
            return await self._stores.runs.load(tenant, run)
        return await self._stores.runs.load(tenant, await self.find(tenant, run))

    async def find(self, tenant: str, run: str) -> str:
        """Return the whole id of a run from its beginning, however long ago it was.

        Raises:
            RunNotFoundError: None fits, or several do.
        """
        found: list[str] = []
        last = ""
        while page := await self._stores.archive.runs(tenant, after=last, limit=_LISTED):
            found += [each.run for each in page if each.run.startswith(run)]
            last = page[-1].run
        if run in found:
            return run
        if len(found) != 1:
            raise RunNotFoundError(run, tuple(found))
        return found[0]

    async def view(self, tenant: str, run: str) -> RunView:
        """Return a run and its steps, for people.

        Raises:
            RunNotFoundError: There is no such run.
        """
        stored = await self.load(tenant, run)
        kept = stored.record
        told = await self.all_events(tenant, kept.run)
        return RunView(
            kept.run,
            stored.pipeline.name,
            stored.pipeline.digest,
            stored.run_key,
            stored.trigger,
            str(kept.state),
            str(phase(_VALID, kept)),
            str(kept.compensation),
            kept.failure.message if kept.failure else "",
            kept.failed_step,
            stored.params,
            told[0].at,
            kept.now if kept.state.final else None,
            tuple(_step_view(kept, name, told) for name in kept.graph.order),
            tuple(map(_artifact_view, await self._stores.archive.artifacts(tenant, kept.run))),
        )

    async def listed(
        self, tenant: str, *, pipeline: str = "", limit: int = 100
    ) -> Sequence[tuple[store.RunSummary, str]]:
        """Return runs, newest first, each with the phase of its pipeline while it is the latest."""
        found = []
        for each in await self._stores.archive.runs(tenant, pipeline=pipeline, limit=limit):
            latest: RunRecord | states.RunState = each.state
            if not each.state.final:
                latest = (await self._stores.runs.load(tenant, each.run)).record
            found.append((each, str(phase(_VALID, latest))))
        return found

    async def all_events(self, tenant: str, run: str) -> Sequence[domain.DomainEvent]:
        """Return all domain events of a run, in order."""
        found: list[domain.DomainEvent] = []
        while page := await self._stores.archive.events(
            tenant, run, after=found[-1].seq if found else 0
        ):
            found += [each.event for each in page]
        return found

    async def open(self) -> Sequence[tuple[str, str]]:
        """Return tenant and id of all runs that are not done."""
        found: list[tuple[str, str]] = []
        while page := await self._stores.runs.open_runs(after=found[-1][1] if found else ""):
            found += [(each.tenant, each.record.run) for each in page]
        return found


def _step_view(run: RunRecord, name: str, told: Sequence[domain.DomainEvent]) -> StepView:
    step = run.steps[name]
    own = [each for each in told if each.step == name]
    starts = [each.at for each in own if each.kind is domain.DomainKind.STEP_STARTED]
    ended = [each.at for each in own if each.state == str(step.state)] if step.state.ended else []
    mapped = run.graph.nodes[name].mapped is not None and step.total >= 0
    return StepView(
        name,
        str(step.state),
        len(starts),
        f"{step.succeeded}/{step.total}" if mapped else "",
        starts[0] if starts else None,
        ended[-1] if ended else None,
        _message(step),
    )


def _artifact_view(kept: store.KeptArtifact) -> ArtifactView:
    item = None if kept.item == record.WHOLE else kept.item
    left = kept.artifact
    return ArtifactView(
        kept.step, item, kept.attempt, left.name, left.size, left.sha256, left.place
    )


def _message(step: record.StepRecord) -> str:
    if step.origin:
        return f"done by run {step.origin}"
    return step.failing.message if step.failing else step.reason
