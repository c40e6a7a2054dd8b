"""A state directory, opened."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

from msgspec import field

from penstock.base import Clock, Failpoints, SystemClock, Value
from penstock.control._catalogue import Catalogue
from penstock.control._follow import follow_logs, in_order_of
from penstock.control._runs import Runs, StepNotFoundError
from penstock.engines import EmbeddedEngine, EngineSettings
from penstock.events import AuditSink, EventSink, JsonLinesSink, Relay, WebhookSink
from penstock.steps import (
    ChildRunExecutor,
    HttpExecutor,
    LocalPlace,
    LogChunk,
    Logs,
    PythonExecutor,
    ShellExecutor,
    SqlExecutor,
)
from penstock.store import open_sqlite
from penstock.telemetry import get_logger
from penstock.workflow import Executor, Pipeline, record, store

_log = get_logger("control")
_LAST_ATTEMPTS: Final = 5
"""Of a sink that fails while the work ends; a few seconds."""


class WorkspaceSettings(Value):
    """What a state directory is opened with."""

    directory: Path
    """The state: the store, logs, large results."""

    cwd: Path = Path()
    """Where commands start and Python looks for modules: where the definition stands."""

    environ: Mapping[str, str] = field(default_factory=dict)
    """Variables that every step sees."""

    storage_environ: Mapping[str, str] = field(default_factory=dict)
    """Variables that only queries see: credentials of object stores, `AWS_...`."""

    secrets: Mapping[str, str] = field(default_factory=dict)
    """By name, for `${{ secrets.name }}`."""

    allowed_hosts: tuple[str, ...] = ()
    """Private hosts that steps of type `http` may ask."""

    events_file: Path | None = None
    """Where events are appended as JSON lines, beside the audit."""

    webhooks: Mapping[str, str] = field(default_factory=dict)
    """URLs that events are posted to from the first opening on, and the secret that signs each."""

    engine: EngineSettings = field(default_factory=EngineSettings)
    clock: Clock = field(default_factory=SystemClock)
    failpoints: Failpoints = field(default_factory=Failpoints)


class Workspace(Value):
    """All that belongs to one state directory."""

    engine: EmbeddedEngine
    stores: store.Stores
    runs: Runs
    catalogue: Catalogue
    logs: Logs
    audit: AuditSink
    relays: Mapping[str, Relay] = field(default_factory=dict)
    """By consumer: what is sent while somebody works here."""

    clock: Clock = field(default_factory=SystemClock)

    async def logged(self, tenant: str, run: str, *, step: str = "") -> Sequence[record.AttemptRef]:
        """Return the attempts that have a log, of one step or of all, in the order of the run.

        Raises:
            RunNotFoundError: There is no such run.
            StepNotFoundError: It has no such step.
        """
        kept = (await self.runs.load(tenant, run)).record
        if step and step not in kept.steps:
            raise StepNotFoundError(kept.run, step, kept.graph.order)
        found = in_order_of(kept, await asyncio.to_thread(self.logs.attempts, kept.run))
        return [ref for ref in found if not step or ref.step == step]

    def follow_logs(
        self, tenant: str, run: str, *, step: str = "", offset: int = 0
    ) -> AsyncIterator[tuple[record.AttemptRef, LogChunk]]:
        """Give what attempts print until the step, or the run, has ended; see `follow_logs`.

        Raises:
            RunNotFoundError: There is no such run.
            StepNotFoundError: It has no such step.
        """
        return follow_logs(
            self.runs, self.logs, tenant, run, step=step, offset=offset, clock=self.clock
        )

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Carry runs out and send events while the block lasts; then send what is left."""
        tasks = [
            asyncio.create_task(relay.run(), name=f"relay/{consumer}")
            for consumer, relay in self.relays.items()
        ]
        try:
            async with self.engine.working():
                yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for consumer, relay in self.relays.items():
                await _drained(consumer, relay)


async def _find(catalogue: Catalogue, cwd: Path, tenant: str, name: str) -> Pipeline:
    """The definition `NAME.yaml` beside the others, or the version that was run last."""
    file = cwd / f"{name}.yaml"
    if file.exists():
        return Pipeline.from_file(file)
    try:
        return await catalogue.latest(tenant, name)
    except LookupError as error:
        raise LookupError(f"there is no pipeline {name!r}: no file {file}; {error}") from error


async def _drained(consumer: str, relay: Relay) -> None:
    try:
        await relay.drain(attempts=_LAST_ATTEMPTS)
    except OSError as error:
        _log.warning("events left for later", consumer=consumer, error=str(error))


@asynccontextmanager
async def open_workspace(settings: WorkspaceSettings) -> AsyncIterator[Workspace]:
    """Open a state directory, made where it is not there; use `working()` to carry runs out.

    Raises:
        NewerStoreError: A newer version of Penstock wrote it.
        StoreUnavailableError: It cannot be opened.
    """
    path = settings.directory / "workflow.sqlite"
    async with open_sqlite(path, clock=settings.clock, failpoints=settings.failpoints) as stores:
        catalogue = Catalogue(stores)
        place = LocalPlace(settings.directory, settings.cwd, settings.environ, settings.clock)
        executors: dict[str, Executor] = {
            "shell": ShellExecutor(place),
            "python": PythonExecutor(place),
            "sql": SqlExecutor(place, storage=settings.storage_environ),
            "http": HttpExecutor(place, allowed_hosts=settings.allowed_hosts),
        }
        engine = EmbeddedEngine(
            stores,
            executors,
            settings.directory,
            settings=settings.engine,
            secrets=settings.secrets,
            clock=settings.clock,
            failpoints=settings.failpoints,
        )
        executors["pipeline"] = ChildRunExecutor(engine, partial(_find, catalogue, settings.cwd))
        audit = AuditSink(settings.directory / "audit.sqlite")
        sinks: dict[str, EventSink] = {"audit": audit}
        if settings.events_file is not None:
            path = settings.events_file.resolve()
            sinks[f"file:{path}"] = JsonLinesSink(path)
        for url, secret in settings.webhooks.items():
            sinks[f"webhook:{url}"] = WebhookSink(url, secret, clock=settings.clock)
        relays = {
            consumer: Relay(
                stores.outbox,
                consumer,
                sink,
                clock=settings.clock,
                failpoints=settings.failpoints,
            )
            for consumer, sink in sinks.items()
        }
        for url in settings.webhooks:
            await relays[f"webhook:{url}"].begin_now()
        yield Workspace(
            engine,
            stores,
            Runs(engine, stores),
            catalogue,
            place.logs,
            audit,
            relays,
            settings.clock,
        )
