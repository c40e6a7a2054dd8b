"""The commands `penstock pipeline ...` and their options."""

from pathlib import Path
from typing import Annotated

import typer

from penstock.cli._output import LogLevel, Output, OutputOption, perform_command

File = Annotated[Path, typer.Argument(metavar="FILE", help="A pipeline definition.")]
Run = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or its beginning.")]
StateDir = Annotated[
    Path | None,
    typer.Option(
        "--state-dir",
        metavar="DIR",
        help="Where runs are kept; .penstock beside the definition, or here.",
    ),
]
Detach = Annotated[
    bool, typer.Option("--detach", help="Only ask for it; some process at work will do it.")
]
Events = Annotated[
    Path | None,
    typer.Option("--events", metavar="FILE", help="Append events there, as JSON lines."),
]
Webhook = Annotated[
    list[str] | None,
    typer.Option("--webhook", metavar="URL", help="Post events there, signed; may be repeated."),
]
WebhookSecret = Annotated[
    str,
    typer.Option(
        "--webhook-secret",
        metavar="NAME",
        help="The secret that signs them: $PENSTOCK_SECRET_NAME.",
    ),
]
Level = Annotated[LogLevel, typer.Option("--log-level", help="What is worth a line.")]

pipelines = typer.Typer(
    help="Pipelines of steps: check, run, resume, look at.", no_args_is_help=True
)


@pipelines.command()
def validate(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Pipeline definitions.")],
    output: OutputOption = Output.TABLE,
) -> None:
    """Check definitions; name everything that is wrong with them, with line and column."""
    perform_command("_pipeline_definition", "validate", files=files, output=output)


@pipelines.command()
def graph(file: File, output: OutputOption = Output.TABLE) -> None:
    """Draw the graph of a definition, as a Mermaid diagram."""
    perform_command("_pipeline_definition", "graph", file=file, output=output)


@pipelines.command()
def plan(file: File, state_dir: StateDir = None, output: OutputOption = Output.TABLE) -> None:
    """Show what would run in which order, and what changed since the version that was run last."""
    perform_command("_pipeline_definition", "plan", file=file, state_dir=state_dir, output=output)


@pipelines.command()
def run(  # noqa: PLR0913, PLR0917 - the options of one command
    file: File,
    param: Annotated[
        list[str] | None,
        typer.Option("--param", metavar="NAME=VALUE", help="A parameter; may be repeated."),
    ] = None,
    key: Annotated[
        str, typer.Option("--key", help="Makes the run unique: the same key runs once.")
    ] = "",
    detach: Detach = False,
    events: Events = None,
    webhook: Webhook = None,
    webhook_secret: WebhookSecret = "webhook",  # noqa: S107 - its name
    state_dir: StateDir = None,
    log_level: Level = LogLevel.WARNING,
    output: OutputOption = Output.TABLE,
) -> None:
    """Run a pipeline to its end; take up other open runs meanwhile."""
    perform_command(
        "_pipeline_run",
        "run",
        file=file,
        param=param or [],
        key=key,
        detach=detach,
        events=events,
        webhook=webhook or [],
        webhook_secret=webhook_secret,
        state_dir=state_dir,
        log_level=log_level,
        output=output,
    )


@pipelines.command()
def resume(
    run: Annotated[
        str, typer.Argument(metavar="[RUN]", help="A run's id, or its beginning; else all open.")
    ] = "",
    events: Events = None,
    webhook: Webhook = None,
    webhook_secret: WebhookSecret = "webhook",  # noqa: S107 - its name
    state_dir: StateDir = None,
    log_level: Level = LogLevel.WARNING,
    output: OutputOption = Output.TABLE,
) -> None:
    """Take up open runs, go on with a paused one or a failed compensation, and wait for the end."""
    perform_command(
        "_pipeline_run",
        "resume",
        run=run,
        events=events,
        webhook=webhook or [],
        webhook_secret=webhook_secret,
        state_dir=state_dir,
        log_level=log_level,
        output=output,
    )


@pipelines.command()
def retry(  # noqa: PLR0913, PLR0917 - the options of one command
    run: Run,
    detach: Detach = False,
    events: Events = None,
    webhook: Webhook = None,
    webhook_secret: WebhookSecret = "webhook",  # noqa: S107 - its name
    state_dir: StateDir = None,
    log_level: Level = LogLevel.WARNING,
    output: OutputOption = Output.TABLE,
) -> None:
    """Run again what did not succeed in a run that has ended, as a new run."""
    perform_command(
        "_pipeline_run",
        "restart",
        run=run,
        from_step="",
        file=None,
        detach=detach,
        events=events,
        webhook=webhook or [],
        webhook_secret=webhook_secret,
        state_dir=state_dir,
        log_level=log_level,
        output=output,
    )


@pipelines.command()
def restart(  # noqa: PLR0913, PLR0917 - the options of one command
    run: Run,
    from_step: Annotated[
        str, typer.Option("--from", metavar="STEP", help="Run this step and all behind it again.")
    ],
    file: Annotated[
        Path | None,
        typer.Option("--file", help="Go on with this version; else with that of the run."),
    ] = None,
    detach: Detach = False,
    events: Events = None,
    webhook: Webhook = None,
    webhook_secret: WebhookSecret = "webhook",  # noqa: S107 - its name
    state_dir: StateDir = None,
    log_level: Level = LogLevel.WARNING,
    output: OutputOption = Output.TABLE,
) -> None:
    """Run a step and all that depends on it again, as a new run that takes over the rest."""
    perform_command(
        "_pipeline_run",
        "restart",
        run=run,
        from_step=from_step,
        file=file,
        detach=detach,
        events=events,
        webhook=webhook or [],
        webhook_secret=webhook_secret,
        state_dir=state_dir,
        log_level=log_level,
        output=output,
    )


@pipelines.command()
def cancel(
    run: Run,
    reason: Annotated[str, typer.Option("--reason", help="For people.")] = "",
    compensate: Annotated[
        bool, typer.Option("--compensate", help="Undo what has succeeded.")
    ] = False,
    force: Annotated[
        bool,
        typer.Option("--force", help="End a cancel that hangs; what runs is not seen to stop."),
    ] = False,
    state_dir: StateDir = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """End a run; it is CANCELLED when all that it runs has been seen to stop."""
    perform_command(
        "_pipeline_run",
        "cancel",
        run=run,
        reason=reason,
        compensate=compensate,
        force=force,
        state_dir=state_dir,
        output=output,
    )


@pipelines.command()
def show(run: Run, state_dir: StateDir = None, output: OutputOption = Output.TABLE) -> None:
    """Show a run and its steps."""
    perform_command("_pipeline_look", "show", run=run, state_dir=state_dir, output=output)


@pipelines.command()
def logs(
    run: Run,
    step: Annotated[str, typer.Option("--step", help="Only this step.")] = "",
    offset: Annotated[int, typer.Option("--offset", min=0, help="First byte of each log.")] = 0,
    follow: Annotated[
        bool,
        typer.Option("--follow", "-f", help="Go on until the step, or the run, has ended."),
    ] = False,
    state_dir: StateDir = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Print what the attempts of a run printed."""
    perform_command(
        "_pipeline_logs",
        "logs",
        run=run,
        step=step,
        offset=offset,
        follow=follow,
        state_dir=state_dir,
        output=output,
    )


@pipelines.command("events")
def list_events(run: Run, state_dir: StateDir = None, output: OutputOption = Output.TABLE) -> None:
    """List the events of a run, in order."""
    perform_command("_pipeline_look", "events", run=run, state_dir=state_dir, output=output)


@pipelines.command()
def history(
    pipeline: Annotated[
        str, typer.Argument(metavar="[PIPELINE]", help="Only runs of this pipeline.")
    ] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="Most runs.")] = 50,
    state_dir: StateDir = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """List runs, newest first."""
    perform_command(
        "_pipeline_look",
        "history",
        pipeline=pipeline,
        limit=limit,
        state_dir=state_dir,
        output=output,
    )
