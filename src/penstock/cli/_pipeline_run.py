"""`penstock pipeline run`, `resume`, `retry`, `restart` and `cancel`: what changes runs."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path

from msgspec.structs import replace

from penstock.cli._exits import DONE, FAILED, INTERRUPTED
from penstock.cli._output import LogLevel, Output
from penstock.cli._pipeline_files import (
    TENANT,
    parameters,
    read_definition,
    settings,
    tell_findings,
    webhooks,
)
from penstock.cli._pipeline_look import reason_of, run_object
from penstock.cli._printing import print_json, printable
from penstock.control import RunView, Workspace, WorkspaceSettings, open_workspace
from penstock.telemetry import setup_logs
from penstock.workflow import domain, errors

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_LOOK_S = 0.1

Begin = Callable[[Workspace], Awaitable[Sequence[str]]]
"""Returns the runs to wait for."""


def run(  # noqa: PLR0913 - the options of one command
    *,
    file: Path,
    param: Sequence[str],
    key: str,
    detach: bool,
    events: Path | None,
    webhook: Sequence[str],
    webhook_secret: str,
    state_dir: Path | None,
    log_level: LogLevel,
    output: Output,
) -> int:
    """Start a run and see it to its end."""
    pipeline = read_definition(file)
    pipeline.require_runnable()
    if output is Output.TABLE:
        tell_findings(file, pipeline)
    values = parameters(pipeline, param)

    async def begin(workspace: Workspace) -> list[str]:
        found, created = await workspace.runs.start(TENANT, pipeline, values, run_key=key)
        _tell(f"run {found}" + ("" if created else " (of that key before)"), output)
        return [found]

    chosen = _telling(settings(state_dir, file), events, webhook, webhook_secret)
    return _perform(chosen, begin, log_level, output, detach=detach)


def resume(
    *,
    run: str,
    events: Path | None,
    webhook: Sequence[str],
    webhook_secret: str,
    state_dir: Path | None,
    log_level: LogLevel,
    output: Output,
) -> int:
    """Take up open runs and see them to their end."""

    async def begin(workspace: Workspace) -> list[str]:
        if not run:
            return [found for tenant, found in await workspace.runs.open() if tenant == TENANT]
        known = await workspace.runs.load(TENANT, run)
        with suppress(errors.RefusedError):
            await workspace.engine.resume(TENANT, known.record.run)
        return [known.record.run]

    chosen = _telling(settings(state_dir), events, webhook, webhook_secret)
    return _perform(chosen, begin, log_level, output)


def restart(  # noqa: PLR0913 - the options of one command
    *,
    run: str,
    from_step: str = "",
    file: Path | None = None,
    detach: bool,
    events: Path | None,
    webhook: Sequence[str],
    webhook_secret: str,
    state_dir: Path | None,
    log_level: LogLevel,
    output: Output,
) -> int:
    """Begin a run that takes over what an earlier one has done, from a step or else from what failed."""
    pipeline = read_definition(file) if file else None

    async def begin(workspace: Workspace) -> list[str]:
        found = await workspace.runs.restart(TENANT, run, pipeline=pipeline, from_step=from_step)
        _tell(f"run {found}", output)
        return [found]

    chosen = _telling(settings(state_dir, file), events, webhook, webhook_secret)
    return _perform(chosen, begin, log_level, output, detach=detach)


def cancel(
    *,
    run: str,
    reason: str,
    compensate: bool,
    force: bool,
    state_dir: Path | None,
    output: Output,
) -> int:
    """Ask for the end of a run; the process that carries it out ends it."""

    async def main() -> RunView:
        async with open_workspace(settings(state_dir)) as workspace:
            found = (await workspace.runs.load(TENANT, run)).record.run
            await workspace.engine.cancel(
                TENANT, found, reason=reason, compensate=compensate, force=force
            )
            return await workspace.runs.view(TENANT, found)

    view = asyncio.run(main())
    if output is Output.JSON:
        print_json({"run": view.run, "state": view.state})
    else:
        sys.stdout.write(f"run {view.run} is {view.state}\n")
    return DONE


def _telling(
    chosen: WorkspaceSettings, events: Path | None, webhook: Sequence[str], secret: str
) -> WorkspaceSettings:
    """The settings with those who are told what happens."""
    return replace(chosen, events_file=events, webhooks=webhooks(webhook, secret))


def _perform(
    chosen: WorkspaceSettings,
    begin: Begin,
    log_level: LogLevel,
    output: Output,
    *,
    detach: bool = False,
) -> int:
    with setup_logs(level=log_level):
        views, caught = asyncio.run(_carried_out(chosen, begin, output, detach=detach))
    if output is Output.JSON:
        print_json([run_object(view) for view in views])
    elif not detach:
        _print_ends(views)
    if caught:
        _tell(f"stopped by {caught.name}; `penstock pipeline resume` goes on", Output.TABLE)
        return INTERRUPTED if caught is signal.SIGINT else 128 + caught
    ended_well = all(view.state == "SUCCEEDED" or detach for view in views)
    return DONE if ended_well else FAILED


async def _carried_out(
    chosen: WorkspaceSettings, begin: Begin, output: Output, *, detach: bool
) -> tuple[list[RunView], signal.Signals | None]:
    """Begin, then work until the runs have ended or a signal came."""
    caught: list[signal.Signals] = []
    stop = asyncio.Event()

    def on_signal(number: signal.Signals) -> None:
        caught.append(number)
        stop.set()

    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, on_signal, number)
    async with open_workspace(chosen) as workspace:
        runs = await begin(workspace)
        if not detach and runs:
            async with workspace.working():
                await _until_ended(workspace, runs, stop, output)
        return [await workspace.runs.view(TENANT, run) for run in runs], (
            caught[0] if caught else None
        )


async def _until_ended(
    workspace: Workspace, runs: Sequence[str], stop: asyncio.Event, output: Output
) -> None:
    stopped = asyncio.create_task(stop.wait(), name="pipeline/stop")
    ended = asyncio.create_task(_follow(workspace, runs, output), name="pipeline/follow")
    try:
        await asyncio.wait({stopped, ended}, return_when=asyncio.FIRST_COMPLETED)
        if ended.done():
            ended.result()
    finally:
        for task in (stopped, ended):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def _follow(workspace: Workspace, runs: Sequence[str], output: Output) -> None:
    """Show what happens to the runs until all have ended."""
    for run in runs:
        waiting = asyncio.create_task(workspace.engine.wait(TENANT, run), name=f"wait/{run}")
        try:
            seen = 0
            while not waiting.done():
                await asyncio.wait({waiting}, timeout=_LOOK_S)
                seen = await _show(workspace, run, seen, output)
            waiting.result()
        finally:
            waiting.cancel()


async def _show(workspace: Workspace, run: str, after: int, output: Output) -> int:
    """Print what happened since; return the number of the last event."""
    for told in await workspace.stores.archive.events(TENANT, run, after=after):
        after = told.event.seq
        if told.event.kind in _SHOWN:
            _tell(_line(told.event, told.pipeline), output)
    return after


_KIND = domain.DomainKind
_SHOWN = frozenset(_KIND) - {_KIND.STEP_READY, _KIND.QUEUED}

_WORDS = {
    _KIND.STEP_COMPENSATING: "COMPENSATING",
    _KIND.STEP_COMPENSATION_FAILED: "COMPENSATION FAILED",
    _KIND.STEP_STOP_UNCONFIRMED: "STOP UNCONFIRMED",
    _KIND.COMPENSATION_RESUMED: "COMPENSATING",
    _KIND.COMPENSATION_ENDED: "COMPENSATION ENDED",
}
"""Where the state, which is as it was, does not say what happened."""


def _line(told: domain.DomainEvent, pipeline: str) -> str:
    reason = " ".join(str(told.data.get("message") or told.data.get("reason") or "").split())
    if failed := told.data.get("failed_step"):
        reason = f"{failed}: {reason}"
    word = _WORDS.get(told.kind, told.state)
    return printable(f"{told.at:%H:%M:%S}  {word:<12}  {told.step or pipeline}  {reason}".rstrip())


def _tell(line: str, output: Output) -> None:
    if output is Output.TABLE:
        sys.stderr.write(line + "\n")
        sys.stderr.flush()


def _print_ends(views: Sequence[RunView]) -> None:
    if not views:
        sys.stdout.write("no run is open\n")
    for view in views:
        sys.stdout.write(printable(f"{view.run}  {view.state}  {reason_of(view)}".rstrip()) + "\n")
