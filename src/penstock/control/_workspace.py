"""A state directory, opened."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from penstock.base import Clock, Failpoints, SystemClock
from penstock.control._runs import Runs
from penstock.engines import EmbeddedEngine, EngineSettings
from penstock.steps import LocalPlace, Logs, PythonExecutor, ShellExecutor
from penstock.store import open_sqlite
from penstock.workflow import store


@dataclass(frozen=True)
class WorkspaceSettings:
    """What a state directory is opened with."""

    directory: Path
    """The state: the store, logs, large results."""

    cwd: Path = Path()
    """Where commands start and Python looks for modules: where the definition stands."""

    environ: Mapping[str, str] = field(default_factory=dict)
    """Variables that every step sees."""

    secrets: Mapping[str, str] = field(default_factory=dict)
    """By name, for `${{ secrets.name }}`."""

    engine: EngineSettings = field(default_factory=EngineSettings)
    clock: Clock = field(default_factory=SystemClock)
    failpoints: Failpoints = field(default_factory=Failpoints)


@dataclass(frozen=True)
class Workspace:
    """All that belongs to one state directory."""

    engine: EmbeddedEngine
    stores: store.Stores
    runs: Runs
    logs: Logs


@asynccontextmanager
async def open_workspace(settings: WorkspaceSettings) -> AsyncIterator[Workspace]:
    """Open a state directory, made where it is not there; use `engine.working()` to carry runs out.

    Raises:
        NewerStoreError: A newer version of Penstock wrote it.
        StoreUnavailableError: It cannot be opened.
    """
    path = settings.directory / "workflow.sqlite"
    async with open_sqlite(path, clock=settings.clock, failpoints=settings.failpoints) as stores:
        place = LocalPlace(settings.directory, settings.cwd, settings.environ, settings.clock)
        engine = EmbeddedEngine(
            stores,
            {"shell": ShellExecutor(place), "python": PythonExecutor(place)},
            settings.directory,
            settings=settings.engine,
            secrets=settings.secrets,
            clock=settings.clock,
            failpoints=settings.failpoints,
        )
        yield Workspace(engine, stores, Runs(engine, stores), place.logs)
