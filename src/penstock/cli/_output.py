"""What all commands share: how they print, what they log, how their code is loaded."""

from enum import StrEnum
from importlib import import_module
from typing import Annotated

import typer

from penstock.cli._loading import quick_imports


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


class LogFormat(StrEnum):
    """How a line of the log is written."""

    TEXT = "text"
    JSON = "json"


OutputOption = Annotated[Output, typer.Option("--output", help="For people, or for programs.")]


def perform_command(module: str, name: str = "command", /, **options: object) -> None:
    """Load a command, run it, and exit with its code."""
    with quick_imports():
        guard = import_module("penstock.cli._guard")
    raise typer.Exit(guard.perform(f"penstock.cli.{module}", name, options))
