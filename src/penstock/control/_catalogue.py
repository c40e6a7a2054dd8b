"""Versions of pipelines: which there are, where each stands, what one changes against the other."""

import difflib
import json
from collections.abc import Sequence
from typing import Any

from penstock.base import Value
from penstock.workflow import Pipeline, phase, states, store, validation


class Catalogue:
    """The versions of pipelines that one state directory knows."""

    def __init__(self, stores: store.Stores) -> None:
        self._stores = stores

    async def keep(self, tenant: str, pipeline: Pipeline) -> states.VersionState:
        """Keep a version, which need not run now, and return where it stands.

        VALIDATED if this version of Penstock can run it; DRAFT while it has keys that it cannot.
        A run keeps its version by itself.
        """
        kept = await self._stores.runs.keep(tenant, pipeline, states.VersionState.DRAFT)
        try:
            pipeline.require_runnable()
        except validation.NotRunnableError:
            return kept
        return await self._stores.runs.keep(tenant, pipeline, states.VersionState.VALIDATED)

    async def versions(self, tenant: str, pipeline: str) -> Sequence[store.VersionSummary]:
        """Return the versions of a pipeline, newest first."""
        return await self._stores.archive.versions(tenant, pipeline)

    async def latest(self, tenant: str, pipeline: str) -> Pipeline:
        """Return the newest version that can be run.

        Raises:
            LookupError: There is none.
        """
        for version in await self.versions(tenant, pipeline):
            if version.state is not states.VersionState.DRAFT:
                return await self._stores.archive.version(tenant, version.digest)
        raise LookupError(f"there is no version of the pipeline {pipeline!r} that can be run")

    async def phase(self, tenant: str, pipeline: str) -> str:
        """Return where a pipeline stands, in one word; see `penstock.workflow.phase`.

        Raises:
            LookupError: There is no version of it.
        """
        versions = await self.versions(tenant, pipeline)
        if not versions:
            raise LookupError(f"there is no pipeline {pipeline!r} here")
        runs = await self._stores.archive.runs(tenant, pipeline=pipeline, limit=1)
        latest = (await self._stores.runs.load(tenant, runs[0].run)).record if runs else None
        return str(phase(versions[0].state, latest))


class Difference(Value):
    """How a version differs from the one before it."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]
    """Names of steps whose definition, or whose file, is another."""

    text: tuple[str, ...]
    """A unified diff of both definitions, written the same way."""


def difference(old: Pipeline, new: Pipeline) -> Difference:
    """Compare two versions; all fields are empty where they have the same digest."""
    before, after = _written(old), _written(new)
    was, now = before["definition"]["spec"]["steps"], after["definition"]["spec"]["steps"]
    files = {
        name
        for name in before["files"].keys() | after["files"].keys()
        if before["files"].get(name) != after["files"].get(name)
    }
    changed = [
        name
        for name in was.keys() & now.keys()
        if was[name] != now[name] or any(file in json.dumps(now[name]) for file in files)
    ]
    return Difference(
        tuple(sorted(now.keys() - was.keys())),
        tuple(sorted(was.keys() - now.keys())),
        tuple(sorted(changed)),
        tuple(
            difflib.unified_diff(
                json.dumps(before, indent=2, sort_keys=True).splitlines(),
                json.dumps(after, indent=2, sort_keys=True).splitlines(),
                old.digest[:12],
                new.digest[:12],
                lineterm="",
                n=2,
            )
        ),
    )


def _written(pipeline: Pipeline) -> dict[str, Any]:
    return dict(json.loads(pipeline.encode()))
