"""`penstock pipeline validate`, `graph` and `plan`."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import asdict

from penstock.cli._exits import DONE, USAGE
from penstock.cli._output import Output
from penstock.cli._pipeline_files import TENANT, read_definition, settings, tell_findings
from penstock.cli._printing import print_json, print_table
from penstock.control import Difference, difference, open_workspace
from penstock.workflow import Pipeline, validation


def validate(*, files: Sequence[Path], output: Output) -> int:
    """Print the pipelines, or all that is wrong with them."""
    rows, broken = [], []
    for file in files:
        try:
            pipeline = read_definition(file)
        except validation.DefinitionError as error:
            broken.append(error)
        else:
            if output is Output.TABLE:
                tell_findings(file, pipeline)
            rows.append(
                {
                    "pipeline": pipeline.name,
                    "steps": len(pipeline.graph.order),
                    "digest": pipeline.digest[:12],
                    "file": str(file),
                    "warnings": [asdict(found) for found in pipeline.findings],
                }
            )
    if output is Output.JSON:
        findings = [
            {"file": each.file, "findings": [asdict(found) for found in each.findings]}
            for each in broken
        ]
        print_json({"valid": not broken, "pipelines": rows, "invalid": findings})
    else:
        for invalid in broken:
            sys.stderr.write(f"penstock: {invalid}\n")
        if rows:
            print_table(rows, ("pipeline", "steps", "digest", "file"), empty="")
    return USAGE if broken else DONE


def graph(*, file: Path, output: Output) -> int:
    """Print the graph."""
    pipeline = read_definition(file)
    if output is Output.JSON:
        print_json(_levels(pipeline))
        return DONE
    lines = ["graph LR"]
    for name, node in pipeline.graph.nodes.items():
        lines.append(f"    {name}")
        lines += [f"    {need} --> {name}" for need in node.needs]
    sys.stdout.write("\n".join(lines) + "\n")
    return DONE


def plan(*, file: Path, state_dir: Path | None, output: Output) -> int:
    """Print the order, and what changed since the last version that was run."""
    pipeline = read_definition(file)
    chosen = settings(state_dir, file)
    known = (chosen.directory / "workflow.sqlite").exists()
    changed = asyncio.run(_changed(pipeline, state_dir, file)) if known else None
    rows = _levels(pipeline)
    if output is Output.JSON:
        print_json(
            {
                "pipeline": pipeline.name,
                "digest": pipeline.digest,
                "warnings": [asdict(found) for found in pipeline.findings],
                "steps": rows,
                "difference": asdict(changed) if changed else None,
            }
        )
        return DONE
    tell_findings(file, pipeline)
    sys.stdout.write(f"{pipeline.name}, version {pipeline.digest[:12]}\n\n")
    shown = [{**row, "needs": ", ".join(row["needs"])} for row in rows]
    print_table(shown, ("stage", "step", "type", "needs"), empty="")
    sys.stdout.write(_sentence(changed))
    return DONE


async def _changed(pipeline: Pipeline, state_dir: Path | None, file: Path) -> Difference | None:
    async with open_workspace(settings(state_dir, file)) as workspace:
        runs = await workspace.stores.archive.runs(TENANT, pipeline=pipeline.name, limit=1)
        if not runs:
            return None
        last = await workspace.stores.archive.version(TENANT, runs[0].digest)
        return difference(last, pipeline)


def _sentence(changed: Difference | None) -> str:
    if changed is None:
        return "\nno version of it was run here before\n"
    if not changed.text:
        return "\nnothing changed since the version that was run last\n"
    parts = [
        f"{word} {', '.join(names)}"
        for word, names in (
            ("added", changed.added),
            ("removed", changed.removed),
            ("changed", changed.changed),
        )
        if names
    ]
    head = "; ".join(parts) or "no step changed"
    return f"\nsince the version that was run last: {head}\n" + "\n".join(changed.text) + "\n"


def _levels(pipeline: Pipeline) -> list[dict[str, Any]]:
    """Each step with the stage in which it can start: one behind the last of its needs."""
    stages: dict[str, int] = {}
    for name, node in pipeline.graph.nodes.items():
        stages[name] = 1 + max((stages[need] for need in node.needs), default=0)
    steps = pipeline.definition.spec.steps
    return [
        {
            "stage": stages[name],
            "step": name,
            "type": steps[name].kind,
            "needs": list(pipeline.graph.nodes[name].needs),
        }
        for name in sorted(stages, key=lambda name: (stages[name], name))
    ]
