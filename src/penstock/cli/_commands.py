"""How commands are declared: as data, whose code is loaded when a command is called."""

from functools import partial
from importlib import import_module

import click

from penstock.cli._loading import quick_imports


def command(name: str, help: str, code: str, *params: click.Parameter) -> click.Command:  # noqa: A002 - as click says
    """A command that is done by a function of this room, which takes `params` by their names.

    Args:
        name: As it is typed.
        help: One sentence.
        code: `_kanban.run` is the function `run` of `_kanban.py`; it returns the exit code.
        params: In the order of the help.
    """
    return click.Command(name, callback=partial(perform, code), params=[*params], help=help)


def perform(code: str, /, **options: object) -> None:
    """Load the code of a command, run it, and exit with what it returns."""
    module, _, name = code.partition(".")
    with quick_imports():
        guard = import_module("penstock.cli._guard")
    raise click.exceptions.Exit(guard.perform(f"penstock.cli.{module}", name, options))


class Group(click.Group):
    """Commands, listed in the order in which they were declared."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of the commands."""
        return list(self.commands)


class LateGroup(Group):
    """A group whose commands are the `COMMANDS` of a module of this room, loaded when one is looked for."""

    def __init__(self, name: str, help: str, module: str) -> None:  # noqa: A002 - as click says
        super().__init__(name, help=help)
        self.module = module

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of the commands, once these are loaded."""
        self._load()
        return super().list_commands(ctx)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, or None."""
        self._load()
        return super().get_command(ctx, cmd_name)

    def _load(self) -> None:
        if not self.commands:
            found = import_module(f"penstock.cli.{self.module}").COMMANDS
            self.commands.update({one.name: one for one in found})
