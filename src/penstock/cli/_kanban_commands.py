"""The commands `penstock kanban ...` and their options."""

from click import Argument, IntRange, Option

from penstock.cli._commands import command
from penstock.cli._options import EVERY, LOOK_ONCE, METRICS_ADDRESS, OUTPUT, PATH, log_level
from penstock.cli._output import LogLevel

_BOARD = Argument(
    ["config"],
    metavar="[CONFIG]",
    type=PATH,
    required=False,
    help="As for --config of the other commands.",
)
_CONFIG = Option(
    ["--config", "-c"],
    metavar="FILE",
    type=PATH,
    help="By default penstock.kanban.yaml here, then the user's own kanban.yaml.",
)
_BUCKET = Option(
    ["--bucket"],
    metavar="PIPE",
    default="",
    help="A pipe of the configuration; by default all, or the first.",
)
_TOKENS = Argument(["tokens"], metavar="[TOKEN...]", nargs=-1, help="Ids.")
_FILTER = Argument(["name"], metavar="[FILTER]", default="", help="By default all filters.")

COMMANDS = (
    command(
        "run",
        "Run a board: make its buckets, let tokens in, start its filters and keep them running.",
        "_kanban.run",
        _BOARD,
        Option(
            ["--sample"],
            metavar="ID,ID",
            default="",
            help="Seed these instead of the catalogue.",
        ),
        Option(["--sample-file"], metavar="FILE", type=PATH, help="The same, one id per line."),
        Option(["--until-idle"], is_flag=True, help="End when no token can move any more."),
        METRICS_ADDRESS,
        log_level(LogLevel.INFO),
        OUTPUT,
    ),
    command(
        "status",
        "Print the columns of a board, and its workers if it runs.",
        "_kanban.status",
        _BOARD,
        OUTPUT,
    ),
    command(
        "board",
        "Show the columns of a board, live.",
        "_kanban.board",
        _BOARD,
        EVERY,
        LOOK_ONCE,
    ),
    command(
        "list",
        "List tokens, and why those in errors are there.",
        "_kanban.list_",
        _BOARD,
        _BUCKET,
        Option(
            ["--part"],
            metavar="PART",
            default="",
            help="waiting, claimed, delayed or errors; by default all.",
        ),
        OUTPUT,
    ),
    command(
        "show",
        "Print the life of a token.",
        "_kanban.show",
        Argument(["token"], metavar="TOKEN", help="Its id."),
        _CONFIG,
        OUTPUT,
    ),
    command(
        "start",
        "Start a filter of a running board.",
        "_kanban.start",
        _FILTER,
        _CONFIG,
        OUTPUT,
    ),
    command(
        "stop",
        "Stop a filter of a running board; tokens in hand are finished.",
        "_kanban.stop",
        _FILTER,
        _CONFIG,
        OUTPUT,
    ),
    command(
        "restart",
        "Stop a filter of a running board, and start it anew.",
        "_kanban.restart",
        _FILTER,
        _CONFIG,
        OUTPUT,
    ),
    command(
        "reload",
        "Have a running board read its configuration again; what did not change runs on.",
        "_kanban.reload",
        _CONFIG,
        OUTPUT,
    ),
    command(
        "shutdown",
        "Have a running board finish the tokens in hand, and end.",
        "_kanban.shutdown",
        _CONFIG,
        OUTPUT,
    ),
    command(
        "add",
        "Let tokens in, at the start or in the middle of the chain.",
        "_kanban.add",
        _TOKENS,
        _BUCKET,
        Option(
            ["--priority"],
            metavar="PRIORITY",
            default="normal",
            show_default=True,
            help="high, normal or low.",
        ),
        Option(
            ["--data"],
            metavar="FILE",
            multiple=True,
            help="A data file in the processing bucket; may be repeated.",
        ),
        Option(
            ["--tokens", "documents"],
            metavar="FILE",
            type=PATH,
            help="A file of whole tokens, one JSON object a line.",
        ),
        _CONFIG,
        OUTPUT,
    ),
    command(
        "retry",
        "Let errors and delayed tokens have another try: those named, or all; their attempts are forgotten.",
        "_kanban.retry",
        _TOKENS,
        _BUCKET,
        _CONFIG,
        OUTPUT,
    ),
    command(
        "hold",
        "Hold tokens back that wait or are delayed: those named, or all; no filter takes them until they are released.",
        "_kanban.hold",
        _TOKENS,
        _BUCKET,
        _CONFIG,
        OUTPUT,
    ),
    command(
        "release",
        "Let tokens that are held go on: those named, or all, the oldest first, as far as there is room.",
        "_kanban.release",
        _TOKENS,
        _BUCKET,
        Option(
            ["--most"],
            metavar="N",
            type=IntRange(min=0),
            default=0,
            show_default=True,
            help="At most so many in each bucket; 0 sets no limit.",
        ),
        _CONFIG,
        OUTPUT,
    ),
    command(
        "report",
        "Print how far a board is, in Markdown, with an estimate of the end.",
        "_kanban.report",
        _BOARD,
        OUTPUT,
    ),
    command(
        "reconcile",
        "Compare what the store has with what the ledger says.",
        "_kanban.reconcile",
        Argument(
            ["names"],
            metavar="[STORED]",
            type=PATH,
            required=False,
            help="A file with the ids that the store has; by default it is looked at.",
        ),
        Option(
            ["--checksums"],
            is_flag=True,
            help="Read everything and compare checksums, not sizes.",
        ),
        Option(
            ["--repair"],
            is_flag=True,
            help="Do again what is missing or differs; note what is extra as completed.",
        ),
        _CONFIG,
        OUTPUT,
    ),
    command(
        "ledger",
        "Print every work item as CSV.",
        "_kanban.ledger",
        Option(
            ["--import", "take"],
            metavar="FILE",
            type=PATH,
            help="Take over the items of a CSV file.",
        ),
        Option(["--rebuild"], is_flag=True, help="First bring it up to date from the buckets."),
        _CONFIG,
        OUTPUT,
    ),
)
"""In the order of the help."""
