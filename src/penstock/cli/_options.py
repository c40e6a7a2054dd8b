"""Arguments and options that several commands take."""

from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from click import Argument, Choice, Context, Option
from click import Path as PathType

from penstock.cli._output import LogLevel, Output

WordT = TypeVar("WordT", bound=StrEnum)

PATH = PathType(path_type=Path)


class Word(Choice[WordT]):
    """One of the words of an enumeration, typed as its value."""

    def normalize_choice(self, choice: object, ctx: Context | None) -> str:
        """What is typed for `choice`; click would have the names."""
        return str(choice)


def log_level(default: LogLevel) -> Option:
    """`--log-level`, of a command that runs something."""
    return Option(
        ["--log-level"],
        type=Word(LogLevel),
        default=str(default),
        show_default=True,
        help="What is worth a line.",
    )


OUTPUT = Option(
    ["--output"],
    type=Word(Output),
    default=str(Output.TABLE),
    show_default=True,
    help="For people, or for programs.",
)
CONFIGS = Argument(
    ["configs"],
    metavar="CONFIG...",
    nargs=-1,
    required=True,
    type=PATH,
    help="Configuration files, and directories of them.",
)
METRICS_ADDRESS = Option(
    ["--metrics-address"],
    metavar="HOST:PORT",
    help="Serve metrics here; port 0 takes a free one.",
)
EVERY = Option(
    ["--every"],
    metavar="SECONDS",
    type=float,
    default=1.0,
    show_default=True,
    help="Seconds between two looks.",
)
LOOK_ONCE = Option(["--once"], is_flag=True, help="Look once.")
