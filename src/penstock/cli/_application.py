"""The commands and their options; what they do is loaded when one is called.

Nothing heavy may be imported here: `penstock --help` and shell completion go through this file.
"""

from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer


class Output(StrEnum):
    """How a command prints what it found."""

    TABLE = "table"
    JSON = "json"


class LogLevel(StrEnum):
    """What is worth a line in the log."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


Configs = Annotated[
    list[Path],
    typer.Argument(metavar="CONFIG...", help="Configuration files, and directories of them."),
]
OutputOption = Annotated[Output, typer.Option("--output", help="For people, or for programs.")]

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


def main() -> None:
    """The program `penstock`."""
    application()


def _perform(module: str, **options: object) -> None:
    """Load a command, run it, and exit with its code."""
    guard = import_module("penstock.cli._guard")
    raise typer.Exit(guard.perform(f"penstock.cli.{module}", options))


@application.command()
def init(
    directory: Annotated[
        Path, typer.Argument(metavar="[DIR]", help="Where to; made if it is not there.")
    ] = Path(),
    output: OutputOption = Output.TABLE,
) -> None:
    """Write a configuration that works, and sample data for it."""
    _perform("_init", directory=directory, output=output)


@application.command()
def validate(configs: Configs, output: OutputOption = Output.TABLE) -> None:
    """Check configurations; name everything that is wrong with them."""
    _perform("_validate", configs=configs, output=output)


@application.command()
def version(output: OutputOption = Output.TABLE) -> None:
    """Print the version of this program and of what it stands on."""
    _perform("_version", output=output)
