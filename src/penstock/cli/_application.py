"""The commands and their options; what they do is loaded when one is called.

Nothing heavy may be imported here: `penstock --help` and shell completion go through this file.
"""

from pathlib import Path
from typing import Annotated

import typer

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
application.add_typer(pipelines, name="pipeline")


def main() -> None:
    """The program `penstock`."""
    application()


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


@application.command()
def version(output: OutputOption = Output.TABLE) -> None:
    """Print the version of this program and of what it stands on."""
    perform_command("_version", output=output)
