"""`penstock pipeline logs`: what the attempts of a run printed, or print."""

import json
import sys
from codecs import IncrementalDecoder, getincrementaldecoder
from pathlib import Path

from penstock.cli._exits import DONE
from penstock.cli._output import Output
from penstock.cli._pipeline_files import TENANT
from penstock.cli._pipeline_look import look
from penstock.cli._printing import print_json
from penstock.control import Workspace
from penstock.workflow import record


def logs(
    *, run: str, step: str, offset: int, follow: bool, state_dir: Path | None, output: Output
) -> int:
    """Print logs, each under a line that names its attempt."""
    if follow:
        look(state_dir, lambda workspace: _follow(workspace, run, step, offset, output))
        return DONE
    parts = look(state_dir, lambda workspace: _read(workspace, run, step, offset))
    if output is Output.JSON:
        print_json([part for _, part in parts])
        return DONE
    for ref, part in parts:
        text = str(part["text"])
        sys.stdout.write(_title(ref) + text + ("" if not text or text.endswith("\n") else "\n"))
    return DONE


async def _read(
    workspace: Workspace, run: str, step: str, offset: int
) -> list[tuple[record.AttemptRef, dict[str, object]]]:
    found = (await workspace.runs.load(TENANT, run)).record.run
    parts = []
    for ref in await workspace.logged(TENANT, found, step=step):
        data, at = b"", offset
        while (chunk := workspace.logs.read(found, ref, offset=at)).data:
            data, at = data + chunk.data, chunk.offset
        parts.append((ref, _part(ref, at, data.decode(errors="replace"))))
    return parts


async def _follow(workspace: Workspace, run: str, step: str, offset: int, output: Output) -> None:
    """Print parts as they come; as JSON, one object in a line for each."""
    found = (await workspace.runs.load(TENANT, run)).record.run
    decoders: dict[record.AttemptRef, IncrementalDecoder] = {}
    latest, ended = None, True
    async for ref, chunk in workspace.follow_logs(TENANT, found, step=step, offset=offset):
        decoder = decoders.setdefault(ref, getincrementaldecoder("utf-8")(errors="replace"))
        text = decoder.decode(chunk.data)
        if output is Output.JSON:
            sys.stdout.write(json.dumps(_part(ref, chunk.offset, text)) + "\n")
        else:
            title = _title(ref) if ref != latest else ""
            sys.stdout.write(("" if ended or not title else "\n") + title + text)
            latest, ended = ref, text.endswith("\n")
        sys.stdout.flush()
    if not ended:
        sys.stdout.write("\n")


def _part(ref: record.AttemptRef, offset: int, text: str) -> dict[str, object]:
    return {
        "step": ref.step,
        "item": None if ref.item == record.WHOLE else ref.item,
        "attempt": ref.number,
        "undo": ref.undo,
        "offset": offset,
        "text": text,
    }


def _title(ref: record.AttemptRef) -> str:
    item = "" if ref.item == record.WHOLE else f" item {ref.item}"
    undo = " undo" if ref.undo else ""
    return f"== {ref.step}{item}{undo}, attempt {ref.number}\n"
