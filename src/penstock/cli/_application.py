"""The commands and their options; what they do is loaded when one is called.

Nothing heavy may be imported here: `penstock --help` and shell completion go through this file.
"""

from click import Argument, Context, Option, Parameter

from penstock.cli._commands import Group, LateGroup, command, perform
from penstock.cli._ending import end
from penstock.cli._loading import begin, over
from penstock.cli._options import (
    CONFIGS,
    EVERY,
    LOOK_ONCE,
    METRICS_ADDRESS,
    OUTPUT,
    PATH,
    Word,
)
from penstock.cli._output import LogFormat, LogLevel


def main() -> None:
    """The program `penstock`."""
    begin()
    try:
        application(prog_name="penstock")
    except SystemExit as ended:
        over()
        end(ended)


def _completion(name: str, help: str, code: str) -> Option:  # noqa: A002 - as click says
    """An option that does something with a completion script, for the shell that is named or else is used."""

    def act(context: Context, _: Parameter, shell: str | None) -> None:
        if shell is not None and not context.resilient_parsing:
            perform(code, shell=shell)

    return Option(
        [name],
        metavar="[SHELL]",
        is_flag=False,
        flag_value="",
        expose_value=False,
        callback=act,
        help=help,
    )


_COMPLETION = [
    _completion(
        "--install-completion",
        "Install completion for the current shell, or for the one that is named.",
        "_completion.install",
    ),
    _completion(
        "--show-completion",
        "Show completion for the current shell, to copy it or customize the installation.",
        "_completion.show",
    ),
]

_COMMANDS = [
    command(
        "init",
        "Write a configuration that works, and sample data for it.",
        "_init.command",
        Argument(
            ["directory"],
            metavar="[DIR]",
            type=PATH,
            default=".",
            help="Where to, by default here; made if it is not there.",
        ),
        OUTPUT,
    ),
    command(
        "validate",
        "Check configurations; name everything that is wrong with them.",
        "_validate.command",
        CONFIGS,
        OUTPUT,
    ),
    command(
        "run",
        "Ingest files into tables; for ever, unless told otherwise.",
        "_run.command",
        CONFIGS,
        Option(["--once"], is_flag=True, help="Handle what is there, then end."),
        Option(["--dry-run"], is_flag=True, help="Only show what would be planned."),
        Option(
            ["--log-level"],
            type=Word(LogLevel),
            help="What is worth a line; by default info, or warning below a live view.",
        ),
        Option(
            ["--log-format"],
            type=Word(LogFormat),
            help="By default text on a terminal, and JSON elsewhere.",
        ),
        METRICS_ADDRESS,
        OUTPUT,
    ),
    command(
        "files",
        "List the files of all sources, and what became of each.",
        "_files.command",
        CONFIGS,
        OUTPUT,
    ),
    command(
        "top",
        "Show the stages of a running flow, live: what waits, how fast, how busy, what failed; of several, list them.",
        "_top.command",
        Argument(
            ["address"],
            metavar="[HOST:PORT]",
            default="",
            help="Where a flow, or a program, serves its metrics; by default the flows of this user are looked for.",
        ),
        EVERY,
        LOOK_ONCE,
        OUTPUT,
    ),
    command(
        "version",
        "Print the version of this program and of what it stands on.",
        "_version.command",
        OUTPUT,
    ),
]

_GROUPS = [
    LateGroup(
        "dlq",
        "Dead letters: lines and files that gave no row.",
        "_dead_letter_commands",
    ),
    LateGroup(
        "kanban",
        "Boards: pipelines whose channels are directories.",
        "_kanban_commands",
    ),
    LateGroup(
        "pipeline",
        "Pipelines of steps: check, run, resume, look at.",
        "_pipeline_commands",
    ),
    LateGroup(
        "state",
        "State: the progress that flows keep with `checkpoint=`.",
        "_state_commands",
    ),
]

application = Group(
    "penstock",
    help="Files to tables, exactly once; pipelines whose work flows through bounded channels.",
    commands=[*_COMMANDS, *_GROUPS],
    params=[*_COMPLETION],
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done; 1 work failed; 2 usage or configuration; 3 failure limit; "
    "4 drain deadline passed; 5 damaged state; 130, 131, 143 ended by a signal.",
)
