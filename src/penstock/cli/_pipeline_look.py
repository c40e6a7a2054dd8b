"""`penstock pipeline show`, `events` and `history`: what only looks."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from msgspec.structs import asdict

from penstock.cli._exits import DONE
from penstock.cli._output import Output
from penstock.cli._pipeline_files import TENANT, settings
from penstock.cli._printing import print_json, print_table, printable
from penstock.control import RunView, Workspace, open_workspace

T = TypeVar("T")


def show(*, run: str, state_dir: Path | None, output: Output) -> int:
    """Print a run and its steps."""
    view = look(state_dir, lambda workspace: workspace.runs.view(TENANT, run))
    if output is Output.JSON:
        print_json(run_object(view))
        return DONE
    sys.stdout.write(_head(view))
    rows = [
        {
            "step": step.step,
            "state": step.state,
            "attempts": step.attempts,
            "items": step.items,
            "seconds": _seconds(step.started_at, step.ended_at),
            "message": step.message,
        }
        for step in view.steps
    ]
    columns = ("step", "state", "attempts", "items", "seconds", "message")
    print_table(rows, columns, empty="")
    if view.artifacts:
        sys.stdout.write("\n")
        left = [{**asdict(each), "sha256": each.sha256[:12]} for each in view.artifacts]
        print_table(left, ("step", "item", "name", "size", "sha256", "place"), empty="")
    return DONE


def events(*, run: str, state_dir: Path | None, output: Output) -> int:
    """Print the events of a run."""

    async def read(workspace: Workspace) -> list[dict[str, object]]:
        found = (await workspace.runs.load(TENANT, run)).record.run
        told = await workspace.runs.all_events(TENANT, found)
        return [
            {
                "id": f"{found}:{each.seq}",
                "seq": each.seq,
                "at": each.at,
                "event": str(each.kind),
                "step": each.step,
                "state": each.state,
                "data": dict(each.data),
            }
            for each in told
        ]

    rows = look(state_dir, read)
    if output is Output.JSON:
        print_json(rows)
    else:
        print_table(rows, ("seq", "at", "event", "step", "state"), empty="nothing happened yet")
    return DONE


def history(*, pipeline: str, limit: int, state_dir: Path | None, output: Output) -> int:
    """Print runs, newest first."""

    async def read(workspace: Workspace) -> list[dict[str, object]]:
        found = await workspace.runs.listed(TENANT, pipeline=pipeline, limit=limit)
        return [
            {
                **asdict(run),
                "phase": phase,
                "version": run.digest[:12],
                "seconds": _seconds(run.created_at, run.changed_at),
            }
            for run, phase in found
        ]

    rows = look(state_dir, read)
    if output is Output.JSON:
        print_json(rows)
    else:
        columns = (
            "run",
            "pipeline",
            "version",
            "state",
            "phase",
            "trigger",
            "created_at",
            "seconds",
        )
        print_table(rows, columns, empty="there are no runs here")
    return DONE


def run_object(view: RunView) -> dict[str, object]:
    """A run for programs, with its steps and artifacts."""
    steps = [asdict(step) for step in view.steps]
    return {**asdict(view), "steps": steps, "artifacts": [asdict(each) for each in view.artifacts]}


def look(state_dir: Path | None, use: Callable[[Workspace], Awaitable[T]]) -> T:
    """Open the state directory for one question."""

    async def main() -> T:
        async with open_workspace(settings(state_dir)) as workspace:
            return await use(workspace)

    return asyncio.run(main())


def _head(view: RunView) -> str:
    ended = f", ended {view.ended_at:%Y-%m-%d %H:%M:%S}" if view.ended_at else ""
    compensation = "" if view.compensation == "none" else f", compensation {view.compensation}"
    lines = [
        f"run {view.run} of {view.pipeline}, version {view.digest[:12]}",
        f"{view.state}{compensation}{ended}; the pipeline is {view.phase}",
        *([reason_of(view)] if view.message else []),
        "parameters: " + (", ".join(f"{k}={v}" for k, v in view.params.items()) or "none"),
    ]
    return "\n".join(map(printable, lines)) + "\n\n"


def reason_of(view: RunView) -> str:
    """Why the run failed, in one line, with the step that did; empty where it did not."""
    message = " ".join(view.message.split())
    return f"{view.failed_step}: {message}" if view.failed_step else message


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    return round((end - start).total_seconds(), 3) if start and end else None
