"""What the command line itself answers: help, suggestions, and what it does not take."""

import inspect
from collections.abc import Iterator
from importlib import import_module

import click
import pytest

from penstock.cli import application
from tests.cli.conftest import Penstock


def _commands(group: click.Group = application, *path: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        assert found is not None
        if isinstance(found, click.Group):
            yield from _commands(found, *path, name)
        else:
            yield " ".join([*path, name]), found


_COMMANDS = dict(_commands())


def test_there_are_as_many_commands_as_ever() -> None:
    """The tests below ask each of them; what is not listed is not asked."""
    groups = [name.partition(" ")[0] for name in _COMMANDS if " " in name]

    assert len(_COMMANDS) == 42
    assert {name: groups.count(name) for name in groups} == {
        "dlq": 3,
        "kanban": 17,
        "pipeline": 12,
        "state": 4,
    }


@pytest.mark.parametrize("name", _COMMANDS)
def test_what_a_command_declares_is_what_its_code_takes(name: str) -> None:
    """They stand in different files, so that the help need not load the code."""
    command = _COMMANDS[name]
    [code] = command.callback.args
    module, _, function = code.partition(".")

    taken = inspect.signature(getattr(import_module(f"penstock.cli.{module}"), function)).parameters

    declared = {parameter.name for parameter in command.params}
    assert declared <= set(taken)
    assert {key for key, one in taken.items() if one.default is one.empty} <= declared


@pytest.mark.parametrize("name", _COMMANDS)
def test_every_command_has_a_help_with_a_sentence_for_each_of_its_options(
    name: str, penstock: Penstock
) -> None:
    ended = penstock(*name.split(), "-h")

    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("Usage: ")
    command = _COMMANDS[name]
    assert command.help
    for parameter in command.params:
        assert parameter.help
        assert parameter.help.split()[0] in ended.out


def test_the_help_lists_commands_and_groups_each_with_its_sentence(penstock: Penstock) -> None:
    """In the order in which one meets them, not in that of the alphabet."""
    listed = penstock("--help").out.partition("Commands:\n")[2].partition("\n\n")[0].splitlines()

    assert [line.split()[0] for line in listed] == [
        "init", "validate", "run", "files", "top", "version", "dlq", "kanban", "pipeline", "state",
    ]  # fmt: skip
    assert "  kanban    Boards: pipelines whose channels are directories." in listed


@pytest.mark.parametrize("words", [[], ["dlq"], ["kanban"], ["pipeline"], ["state"]])
def test_without_a_command_the_help_is_shown_and_nothing_was_done(
    words: list[str], penstock: Penstock
) -> None:
    ended = penstock(*words)

    assert (ended.code, ended.out) == (2, "")
    assert "Commands:" in ended.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["vlidate"], "No such command 'vlidate'. Did you mean 'validate'?"),
        (["kanbn"], "No such command 'kanbn'. Did you mean 'kanban'?"),
        (["kanban", "shutdwn"], "No such command 'shutdwn'. Did you mean 'shutdown'?"),
        (["run", "x", "--onc"], "No such option '--onc'. Did you mean '--once'?"),
        (["run"], "Missing argument 'CONFIG...'."),
        (["pipeline", "restart", "x"], "Missing option '--from'."),
        (["version", "--output", "jsn"], "'jsn' is not one of 'table', 'json'."),
        (["version", "--output", "JSON"], "'JSON' is not one of 'table', 'json'."),
        (["kanban", "release", "--most", "-1"], "-1 is not in the range x>=0."),
        (["version", "more"], "Got unexpected extra argument (more)"),
    ],
)
def test_what_is_not_taken_is_named_with_a_way_out_on_standard_error(
    words: list[str], said: str, penstock: Penstock
) -> None:
    ended = penstock(*words)

    assert (ended.code, ended.out) == (2, "")
    assert said in ended.err
