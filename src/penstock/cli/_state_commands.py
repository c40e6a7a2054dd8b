"""The commands `penstock state ...` and their options."""

from click import Argument, Option

from penstock.cli._commands import command
from penstock.cli._options import OUTPUT, PATH

_DIRECTORY = Argument(
    ["directory"], metavar="DIR", type=PATH, help="What `checkpoint=` of the flow says."
)

COMMANDS = (
    command(
        "ls",
        "List the versions of a flow's progress, newest first.",
        "_state.list_versions",
        _DIRECTORY,
        OUTPUT,
    ),
    command(
        "show",
        "Print how far a flow is: for each lane of its source the frontier, and what is settled beyond.",
        "_state.show",
        _DIRECTORY,
        OUTPUT,
    ),
    command(
        "fsck",
        "Read every version of a flow's progress; exit with 5 if one is damaged.",
        "_state.fsck",
        _DIRECTORY,
        OUTPUT,
    ),
    command(
        "repair",
        "Fall back to the last good version: set damaged ones aside under another name.",
        "_state.repair",
        _DIRECTORY,
        Option(["--dry-run"], is_flag=True, help="Only say what would be done."),
        OUTPUT,
    ),
)
"""In the order of the help."""
