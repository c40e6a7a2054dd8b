"""The commands and their options; what they do is loaded when one is called.

Nothing heavy may be imported here: `penstock --help` and shell completion go through this file.
"""

from pathlib import Path
from typing import Annotated

import typer

from penstock.cli._ending import end
from penstock.cli._loading import begin, over
from penstock.cli._output import LogFormat, LogLevel, Output, OutputOption, perform_command
from penstock.cli._pipeline_application import pipelines

Configs = Annotated[
    list[Path],
    typer.Argument(metavar="CONFIG...", help="Configuration files, and directories of them."),
]
LogLevelOption = Annotated[LogLevel, typer.Option("--log-level", help="What is worth a line.")]

application = typer.Typer(
    name="penstock",
    help="Files to tables, exactly once; pipelines whose work flows through bounded channels.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done; 1 work failed; 2 usage or configuration; 3 failure limit; "
    "4 drain deadline passed; 5 damaged state; 130, 131, 143 ended by a signal.",
)
dead_letters = typer.Typer(
    help="Dead letters: lines and files that gave no row.", no_args_is_help=True
)
application.add_typer(dead_letters, name="dlq")
kanban = typer.Typer(help="Boards: pipelines whose channels are directories.", no_args_is_help=True)
application.add_typer(kanban, name="kanban")
application.add_typer(pipelines, name="pipeline")
states = typer.Typer(
    help="State: the progress that flows keep with `checkpoint=`.", no_args_is_help=True
)
application.add_typer(states, name="state")


def main() -> None:
    """The program `penstock`."""
    begin()
    try:
        application()
    except SystemExit as ended:
        over()
        end(ended)


@application.command()
def init(
    directory: Annotated[
        Path, typer.Argument(metavar="[DIR]", help="Where to; made if it is not there.")
    ] = Path(),
    output: OutputOption = Output.TABLE,
) -> None:
    """Write a configuration that works, and sample data for it."""
    perform_command("_init", directory=directory, output=output)


@application.command()
def validate(configs: Configs, output: OutputOption = Output.TABLE) -> None:
    """Check configurations; name everything that is wrong with them."""
    perform_command("_validate", configs=configs, output=output)


@application.command()
def run(
    configs: Configs,
    once: Annotated[bool, typer.Option("--once", help="Handle what is there, then end.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would be planned.")
    ] = False,
    log_level: Annotated[
        LogLevel | None,
        typer.Option(
            "--log-level",
            help="What is worth a line; by default info, or warning below a live view.",
        ),
    ] = None,
    log_format: Annotated[
        LogFormat | None,
        typer.Option("--log-format", help="By default text on a terminal, and JSON elsewhere."),
    ] = None,
    metrics_address: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Serve metrics here; port 0 takes a free one."),
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Ingest files into tables; for ever, unless told otherwise."""
    perform_command(
        "_run",
        configs=configs,
        once=once,
        dry_run=dry_run,
        log_level=log_level,
        log_format=log_format,
        metrics_address=metrics_address,
        output=output,
    )


@application.command()
def files(configs: Configs, output: OutputOption = Output.TABLE) -> None:
    """List the files of all sources, and what became of each."""
    perform_command("_files", configs=configs, output=output)


@dead_letters.command("ls")
def dlq_ls(configs: Configs, output: OutputOption = Output.TABLE) -> None:
    """List the lines and files that gave no row."""
    perform_command("_dead_letters", "list_letters", configs=configs, output=output)


@dead_letters.command("show")
def dlq_show(
    configs: Configs,
    id: Annotated[  # noqa: A002
        str | None, typer.Option("--id", help="Only this one, as `dlq ls` prints it.")
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show them in full, with their bytes."""
    perform_command("_dead_letters", "show", configs=configs, id=id, output=output)


@dead_letters.command("replay")
def dlq_replay(
    configs: Configs,
    pipeline: Annotated[
        list[str] | None, typer.Option("--pipeline", help="Only this one; may be repeated.")
    ] = None,
    log_level: LogLevelOption = LogLevel.INFO,
    output: OutputOption = Output.TABLE,
) -> None:
    """Put the lines through again, each once, as the configuration now says."""
    perform_command(
        "_dead_letters",
        "replay",
        configs=configs,
        pipeline=pipeline or [],
        log_level=log_level,
        output=output,
    )


BoardOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        help="By default penstock.kanban.yaml here, then the user's own kanban.yaml.",
    ),
]
BoardArgument = Annotated[
    Path | None, typer.Argument(metavar="[CONFIG]", help="As for --config of the other commands.")
]
BucketOption = Annotated[
    str, typer.Option("--bucket", help="A pipe of the configuration; by default all, or the first.")
]
Tokens = Annotated[list[str] | None, typer.Argument(metavar="TOKEN...", help="Ids.")]
FilterName = Annotated[str, typer.Argument(metavar="[FILTER]", help="By default all filters.")]


@kanban.command("run")
def kanban_run(
    config: BoardArgument = None,
    sample: Annotated[
        str, typer.Option("--sample", metavar="ID,ID", help="Seed these instead of the catalogue.")
    ] = "",
    sample_file: Annotated[
        Path | None, typer.Option("--sample-file", help="The same, one id per line.")
    ] = None,
    until_idle: Annotated[
        bool, typer.Option("--until-idle", help="End when no token can move any more.")
    ] = False,
    metrics_address: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Serve metrics here; port 0 takes a free one."),
    ] = None,
    log_level: LogLevelOption = LogLevel.INFO,
    output: OutputOption = Output.TABLE,
) -> None:
    """Run a board: make its buckets, let tokens in, start its filters and keep them running."""
    perform_command(
        "_kanban",
        "run",
        config=config,
        sample=sample,
        sample_file=sample_file,
        until_idle=until_idle,
        metrics_address=metrics_address,
        log_level=log_level,
        output=output,
    )


@kanban.command("status")
def kanban_status(config: BoardArgument = None, output: OutputOption = Output.TABLE) -> None:
    """Print the columns of a board, and its workers if it runs."""
    perform_command("_kanban", "status", config=config, output=output)


@kanban.command("board")
def kanban_board(
    config: BoardArgument = None,
    every: Annotated[float, typer.Option("--every", help="Seconds between two looks.")] = 1.0,
    once: Annotated[bool, typer.Option("--once", help="Look once.")] = False,
) -> None:
    """Show the columns of a board, live."""
    perform_command("_kanban", "board", config=config, every=every, once=once)


@kanban.command("list")
def kanban_list(
    config: BoardArgument = None,
    bucket: BucketOption = "",
    part: Annotated[
        str, typer.Option("--part", help="waiting, claimed, delayed or errors; by default all.")
    ] = "",
    output: OutputOption = Output.TABLE,
) -> None:
    """List tokens, and why those in errors are there."""
    perform_command("_kanban", "list_", config=config, bucket=bucket, part=part, output=output)


@kanban.command("show")
def kanban_show(
    token: Annotated[str, typer.Argument(metavar="TOKEN", help="Its id.")],
    config: BoardOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Print the life of a token."""
    perform_command("_kanban", "show", token=token, config=config, output=output)


@kanban.command("start")
def kanban_start(
    name: FilterName = "", config: BoardOption = None, output: OutputOption = Output.TABLE
) -> None:
    """Start a filter of a running board."""
    perform_command("_kanban", command="start", name=name, config=config, output=output)


@kanban.command("stop")
def kanban_stop(
    name: FilterName = "", config: BoardOption = None, output: OutputOption = Output.TABLE
) -> None:
    """Stop a filter of a running board; tokens in hand are finished."""
    perform_command("_kanban", command="stop", name=name, config=config, output=output)


@kanban.command("restart")
def kanban_restart(
    name: FilterName = "", config: BoardOption = None, output: OutputOption = Output.TABLE
) -> None:
    """Stop a filter of a running board, and start it anew."""
    perform_command("_kanban", command="restart", name=name, config=config, output=output)


@kanban.command("reload")
def kanban_reload(config: BoardOption = None, output: OutputOption = Output.TABLE) -> None:
    """Have a running board read its configuration again; what did not change runs on."""
    perform_command("_kanban", command="reload", name="", config=config, output=output)


@kanban.command("shutdown")
def kanban_shutdown(config: BoardOption = None, output: OutputOption = Output.TABLE) -> None:
    """Have a running board finish the tokens in hand, and end."""
    perform_command("_kanban", command="shutdown", name="", config=config, output=output)


@kanban.command("add")
def kanban_add(
    tokens: Tokens = None,
    bucket: BucketOption = "",
    priority: Annotated[str, typer.Option("--priority", help="high, normal or low.")] = "normal",
    data: Annotated[
        list[str] | None,
        typer.Option("--data", help="A data file in the processing bucket; may be repeated."),
    ] = None,
    documents: Annotated[
        Path | None,
        typer.Option("--tokens", help="A file of whole tokens, one JSON object a line."),
    ] = None,
    config: BoardOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Let tokens in, at the start or in the middle of the chain."""
    perform_command(
        "_kanban",
        "add",
        tokens=tokens or [],
        bucket=bucket,
        priority=priority,
        data=data or [],
        documents=documents,
        config=config,
        output=output,
    )


@kanban.command("retry")
def kanban_retry(
    tokens: Tokens = None,
    bucket: BucketOption = "",
    config: BoardOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Let errors and delayed tokens have another try: those named, or all; their attempts are forgotten."""
    perform_command(
        "_kanban", "retry", tokens=tokens or [], bucket=bucket, config=config, output=output
    )


@kanban.command("hold")
def kanban_hold(
    tokens: Tokens = None,
    bucket: BucketOption = "",
    config: BoardOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Hold tokens back that wait or are delayed: those named, or all; no filter takes them until they are released."""
    perform_command(
        "_kanban", "hold", tokens=tokens or [], bucket=bucket, config=config, output=output
    )


@kanban.command("release")
def kanban_release(
    tokens: Tokens = None,
    bucket: BucketOption = "",
    most: Annotated[
        int, typer.Option("--most", min=0, help="At most so many in each bucket; 0 sets no limit.")
    ] = 0,
    config: BoardOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Let tokens that are held go on: those named, or all, the oldest first, as far as there is room."""
    perform_command(
        "_kanban",
        "release",
        tokens=tokens or [],
        bucket=bucket,
        most=most,
        config=config,
        output=output,
    )


@kanban.command("report")
def kanban_report(config: BoardArgument = None, output: OutputOption = Output.TABLE) -> None:
    """Print how far a board is, in Markdown, with an estimate of the end."""
    perform_command("_kanban", "report", config=config, output=output)


@kanban.command("reconcile")
def kanban_reconcile(
    names: Annotated[
        Path | None,
        typer.Argument(
            metavar="[STORED]",
            help="A file with the ids that the store has; by default it is looked at.",
        ),
    ] = None,
    checksums: Annotated[
        bool, typer.Option("--checksums", help="Read everything and compare checksums, not sizes.")
    ] = False,
    repair: Annotated[
        bool,
        typer.Option(
            "--repair", help="Do again what is missing or differs; note what is extra as completed."
        ),
    ] = False,
    config: BoardOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Compare what the store has with what the ledger says."""
    perform_command(
        "_kanban",
        "reconcile",
        names=names,
        checksums=checksums,
        repair=repair,
        config=config,
        output=output,
    )


@kanban.command("ledger")
def kanban_ledger(
    take: Annotated[
        Path | None, typer.Option("--import", help="Take over the items of a CSV file.")
    ] = None,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="First bring it up to date from the buckets.")
    ] = False,
    config: BoardOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Print every work item as CSV."""
    perform_command("_kanban", "ledger", take=take, rebuild=rebuild, config=config, output=output)


StateDirectory = Annotated[
    Path, typer.Argument(metavar="DIR", help="What `checkpoint=` of the flow says.")
]


@states.command("ls")
def state_ls(directory: StateDirectory, output: OutputOption = Output.TABLE) -> None:
    """List the versions of a flow's progress, newest first."""
    perform_command("_state", "list_versions", directory=directory, output=output)


@states.command("show")
def state_show(directory: StateDirectory, output: OutputOption = Output.TABLE) -> None:
    """Print how far a flow is: for each lane of its source the frontier, and what is settled beyond."""
    perform_command("_state", "show", directory=directory, output=output)


@states.command("fsck")
def state_fsck(directory: StateDirectory, output: OutputOption = Output.TABLE) -> None:
    """Read every version of a flow's progress; exit with 5 if one is damaged."""
    perform_command("_state", "fsck", directory=directory, output=output)


@states.command("repair")
def state_repair(
    directory: StateDirectory,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be done.")
    ] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Fall back to the last good version: set damaged ones aside under another name."""
    perform_command("_state", "repair", directory=directory, dry_run=dry_run, output=output)


@application.command()
def top(
    address: Annotated[
        str,
        typer.Argument(
            metavar="[HOST:PORT]",
            help="Where a flow, or a program, serves its metrics; by default the flows of this user are looked for.",
        ),
    ] = "",
    every: Annotated[float, typer.Option("--every", help="Seconds between two looks.")] = 1.0,
    once: Annotated[bool, typer.Option("--once", help="Look once.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show the stages of a running flow, live: what waits, how fast, how busy, what failed; of several, list them."""
    perform_command("_top", address=address, every=every, once=once, output=output)


@application.command()
def version(output: OutputOption = Output.TABLE) -> None:
    """Print the version of this program and of what it stands on."""
    perform_command("_version", output=output)
