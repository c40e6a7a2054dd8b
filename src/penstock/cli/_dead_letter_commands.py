"""The commands `penstock dlq ...` and their options."""

from click import Option

from penstock.cli._commands import command
from penstock.cli._options import CONFIGS, OUTPUT, log_level
from penstock.cli._output import LogLevel

COMMANDS = (
    command(
        "ls",
        "List the lines and files that gave no row.",
        "_dead_letters.list_letters",
        CONFIGS,
        OUTPUT,
    ),
    command(
        "show",
        "Show them in full, with their bytes.",
        "_dead_letters.show",
        CONFIGS,
        Option(["--id"], metavar="ID", help="Only this one, as `dlq ls` prints it."),
        OUTPUT,
    ),
    command(
        "replay",
        "Put the lines through again, each once, as the configuration now says.",
        "_dead_letters.replay",
        CONFIGS,
        Option(
            ["--pipeline"],
            metavar="NAME",
            multiple=True,
            help="Only this one; may be repeated.",
        ),
        log_level(LogLevel.INFO),
        OUTPUT,
    ),
)
"""In the order of the help."""
