"""The commands `penstock pipeline ...` and their options."""

from click import Argument, IntRange, Option

from penstock.cli._commands import command
from penstock.cli._options import OUTPUT, PATH, log_level
from penstock.cli._output import LogLevel

_FILE = Argument(["file"], metavar="FILE", type=PATH, help="A pipeline definition.")
_RUN = Argument(["run"], metavar="RUN", help="A run's id, or its beginning.")
_STATE_DIR = Option(
    ["--state-dir"],
    metavar="DIR",
    type=PATH,
    help="Where runs are kept; .penstock beside the definition, or here.",
)
_DETACH = Option(
    ["--detach"], is_flag=True, help="Only ask for it; some process at work will do it."
)
_TELLING = (
    Option(
        ["--events"],
        metavar="FILE",
        type=PATH,
        help="Append events there, as JSON lines.",
    ),
    Option(
        ["--webhook"],
        metavar="URL",
        multiple=True,
        help="Post events there, signed; may be repeated.",
    ),
    Option(
        ["--webhook-secret"],
        metavar="NAME",
        default="webhook",
        show_default=True,
        help="The secret that signs them: $PENSTOCK_SECRET_NAME.",
    ),
)
_LOG_LEVEL = log_level(LogLevel.WARNING)

COMMANDS = (
    command(
        "validate",
        "Check definitions; name everything that is wrong with them, with line and column.",
        "_pipeline_definition.validate",
        Argument(
            ["files"],
            metavar="FILE...",
            nargs=-1,
            required=True,
            type=PATH,
            help="Pipeline definitions.",
        ),
        OUTPUT,
    ),
    command(
        "graph",
        "Draw the graph of a definition, as a Mermaid diagram.",
        "_pipeline_definition.graph",
        _FILE,
        OUTPUT,
    ),
    command(
        "plan",
        "Show what would run in which order, and what changed since the version that was run last.",
        "_pipeline_definition.plan",
        _FILE,
        _STATE_DIR,
        OUTPUT,
    ),
    command(
        "run",
        "Run a pipeline to its end; take up other open runs meanwhile.",
        "_pipeline_run.run",
        _FILE,
        Option(
            ["--param"],
            metavar="NAME=VALUE",
            multiple=True,
            help="A parameter; may be repeated.",
        ),
        Option(
            ["--key"],
            metavar="KEY",
            default="",
            help="Makes the run unique: the same key runs once.",
        ),
        _DETACH,
        *_TELLING,
        _STATE_DIR,
        _LOG_LEVEL,
        OUTPUT,
    ),
    command(
        "resume",
        "Take up open runs, go on with a paused one or a failed compensation, and wait for the end.",
        "_pipeline_run.resume",
        Argument(
            ["run"],
            metavar="[RUN]",
            default="",
            help="A run's id, or its beginning; else all open.",
        ),
        *_TELLING,
        _STATE_DIR,
        _LOG_LEVEL,
        OUTPUT,
    ),
    command(
        "retry",
        "Run again what did not succeed in a run that has ended, as a new run.",
        "_pipeline_run.restart",
        _RUN,
        _DETACH,
        *_TELLING,
        _STATE_DIR,
        _LOG_LEVEL,
        OUTPUT,
    ),
    command(
        "restart",
        "Run a step and all that depends on it again, as a new run that takes over the rest.",
        "_pipeline_run.restart",
        _RUN,
        Option(
            ["--from", "from_step"],
            metavar="STEP",
            required=True,
            help="Run this step and all behind it again.",
        ),
        Option(
            ["--file"],
            metavar="FILE",
            type=PATH,
            help="Go on with this version; else with that of the run.",
        ),
        _DETACH,
        *_TELLING,
        _STATE_DIR,
        _LOG_LEVEL,
        OUTPUT,
    ),
    command(
        "cancel",
        "End a run; it is CANCELLED when all that it runs has been seen to stop.",
        "_pipeline_run.cancel",
        _RUN,
        Option(["--reason"], metavar="TEXT", default="", help="For people."),
        Option(["--compensate"], is_flag=True, help="Undo what has succeeded."),
        Option(
            ["--force"],
            is_flag=True,
            help="End a cancel that hangs; what runs is not seen to stop.",
        ),
        _STATE_DIR,
        OUTPUT,
    ),
    command(
        "show",
        "Show a run and its steps.",
        "_pipeline_look.show",
        _RUN,
        _STATE_DIR,
        OUTPUT,
    ),
    command(
        "logs",
        "Print what the attempts of a run printed.",
        "_pipeline_logs.logs",
        _RUN,
        Option(["--step"], metavar="STEP", default="", help="Only this step."),
        Option(
            ["--offset"],
            metavar="BYTES",
            type=IntRange(min=0),
            default=0,
            show_default=True,
            help="First byte of each log.",
        ),
        Option(
            ["--follow", "-f"],
            is_flag=True,
            help="Go on until the step, or the run, has ended.",
        ),
        _STATE_DIR,
        OUTPUT,
    ),
    command(
        "events",
        "List the events of a run, in order.",
        "_pipeline_look.events",
        _RUN,
        _STATE_DIR,
        OUTPUT,
    ),
    command(
        "history",
        "List runs, newest first.",
        "_pipeline_look.history",
        Argument(
            ["pipeline"],
            metavar="[PIPELINE]",
            default="",
            help="Only runs of this pipeline.",
        ),
        Option(
            ["--limit"],
            metavar="N",
            type=IntRange(min=1, max=10_000),
            default=50,
            show_default=True,
            help="Most runs.",
        ),
        _STATE_DIR,
        OUTPUT,
    ),
)
"""In the order of the help."""
