"""Versions of a pipeline: what one changes against the other."""

import difflib
import json
from dataclasses import dataclass
from typing import Any

from penstock.workflow import Pipeline


@dataclass(frozen=True)
class Difference:
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
