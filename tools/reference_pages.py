"""The pages of docs/reference/, each made from what the code says of itself."""

import ast
import inspect
import json
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from pkgutil import iter_modules, walk_packages
from textwrap import dedent
from types import ModuleType, NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import click

import penstock
from penstock.base import Config, PenstockError
from penstock.cli import application
from penstock.workflow import definition, states

_NOTE = "<!-- Generated from the code by `make fix`; edit the docstrings instead. -->\n"


def rooms() -> list[str]:
    """The names of the rooms there are, sorted."""
    return sorted(found.name for found in iter_modules(penstock.__path__) if found.ispkg)


def door(room: str) -> ModuleType:
    """The public module of a room."""
    return import_module(f"penstock.{room}")


def modules() -> list[ModuleType]:
    """Every module of the package, so that what is behind a door can be listed too."""
    found = walk_packages(penstock.__path__, "penstock.")
    return [import_module(info.name) for info in found if not info.name.endswith("__main__")]


def subclasses(root: type) -> list[type]:
    """All classes of ours below `root`, by room and name."""
    modules()
    found: set[type] = set()
    waiting: list[type] = [root]
    while waiting:
        below: list[type] = type.__subclasses__(waiting.pop())
        for cls in below:
            if cls.__module__.startswith("penstock.") and cls not in found:
                found.add(cls)
                waiting.append(cls)
    return sorted(found, key=lambda cls: (cls.__module__, cls.__qualname__))


def summary(value: object) -> str:
    """The first paragraph of a docstring on one line, safe inside a table cell."""
    text = inspect.getdoc(value) or ""
    return cell(text.split("\n\n")[0])


def prose(value: object) -> str:
    """A whole docstring as Markdown: examples stand in fences."""
    paragraphs = (inspect.getdoc(value) or "").split("\n\n")
    return "\n\n".join(
        f"```pycon\n{part}\n```" if part.startswith(">>>") else part for part in paragraphs
    )


def cell(text: str) -> str:
    """`text` on one line, with what would end a table cell escaped."""
    return re.sub(r"\s+", " ", text).strip().replace("|", "\\|")


def names_page() -> str:
    """What each room offers at its door."""
    lines = [_NOTE, "# Names", "", "What each room offers; nothing else is public.", ""]
    for room in rooms():
        module = door(room)
        names = list(getattr(module, "__all__", []))
        lines += [f"## penstock.{room}", "", prose(module), ""]
        if not names:
            continue
        lines += ["| name | what it is |", "| --- | --- |"]
        lines += [f"| `{name}` | {_said_of(module, name)} |" for name in names]
        lines.append("")
    return _page(lines)


def _said_of(module: ModuleType, name: str) -> str:
    value = getattr(module, name)
    if inspect.isclass(value) or inspect.isroutine(value) or inspect.ismodule(value):
        return summary(value)
    return _string_below(module, name)


def _string_below(module: ModuleType, name: str) -> str:
    """The docstring that stands below an assignment, found where the door imports the name from."""
    source = inspect.getsource(module)
    match = re.search(rf"^from (\S+) import .*\b{re.escape(name)}\b", source, re.MULTILINE)
    home = inspect.getsource(import_module(match[1])) if match else source
    found = re.search(
        rf"^{re.escape(name)}\b[^=\n]*= .*?^\"\"\"(.+?)\"\"\"", home, re.MULTILINE | re.DOTALL
    )
    return cell(found[1]) if found else ""


def config_page() -> str:
    """Every configuration model with its keys."""
    lines = [
        _NOTE,
        "# Configuration",
        "",
        "Unknown keys are errors; all problems are shown at once.",
        "",
    ]
    for model in subclasses(Config):
        assert issubclass(model, Config)
        lines += [f"## {model.__name__}", "", prose(model), ""]
        lines += [
            "| key | type | default | meaning |",
            "| --- | --- | --- | --- |",
            *_keys(model),
            "",
        ]
    return _page(lines)


def descriptions(model: type) -> dict[str, str]:
    """The string below each field, the fields of its bases included.

    pydantic could collect them too, but would read every module a second time whenever it is imported.
    """
    found: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if issubclass(base, Config):
            body = ast.parse(dedent(inspect.getsource(base))).body[0]
            assert isinstance(body, ast.ClassDef)
            found |= _below_fields(body.body)
    return found


def _below_fields(body: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    for field, below in pairwise(body):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(
                value=ast.Constant(value=str(text))
            ):
                yield name, inspect.cleandoc(text)


def _keys(model: type[Config]) -> Iterator[str]:
    described = descriptions(model)
    for name, field in model.model_fields.items():
        default = (
            "required"
            if field.is_required()
            else f"`{_shown(field.get_default(call_default_factory=True, validated_data={}))}`"
        )
        kind = cell(type_name(field.annotation))
        yield f"| `{field.alias or name}` | {kind} | {default} | {cell(described.get(name, ''))} |"


def type_name(annotation: Any) -> str:
    """A type for people: no module names, no validators, a duration by its own name."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return type_name(arguments[0])
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in arguments)
    if origin in {Union, UnionType}:
        return " or ".join(type_name(arm) for arm in arguments if arm is not NoneType)
    if arguments:
        inner = ", ".join(type_name(part) for part in arguments if part is not Ellipsis)
        return f"{type_name(origin)}[{inner}]"
    return "duration" if annotation is timedelta else getattr(annotation, "__name__", "any")


def _shown(value: object) -> str:
    if isinstance(value, Config):
        return "{}"
    if hasattr(value, "total_seconds"):
        return f"{value.total_seconds():g}s"
    plain = re.sub(r"<class '(?:\w+\.)*(\w+)'>", r"\1", str(value))
    return cell(re.sub(r"<\w+\.\w+: ('\w+')>", r"\1", plain)) or "''"


def commands_page() -> str:
    """Every command with its arguments and options."""
    lines = [_NOTE, "# Commands", ""]
    for path, command in _commands():
        lines += [f"## {' '.join(path)}", "", inspect.cleandoc(command.help or ""), ""]
        if command.params:
            lines += ["| argument or option | meaning |", "| --- | --- |"]
            lines += [
                f"| {_spelling(parameter)} | {cell(parameter.help or '')} |"
                for parameter in command.params
            ]
            lines.append("")
    return _page(lines)


def _commands() -> Iterator[tuple[tuple[str, ...], click.Command]]:
    waiting: list[tuple[tuple[str, ...], click.Command]] = [(("penstock",), application)]
    while waiting:
        path, command = waiting.pop(0)
        yield path, command
        if isinstance(command, click.Group):
            context = click.Context(command)
            below = {
                name: command.get_command(context, name) for name in command.list_commands(context)
            }
            waiting += [((*path, name), one) for name, one in below.items() if one is not None]


def _spelling(parameter: click.Parameter) -> str:
    if isinstance(parameter, click.Argument):
        return f"`{parameter.name.upper()}`"
    return ", ".join(f"`{option}`" for option in [*parameter.opts, *parameter.secondary_opts])


def errors_page() -> str:
    """Every error class, with what it means and what to do."""
    lines = [_NOTE, "# Errors", "", "All derive from `penstock.base.PenstockError`.", ""]
    lines += ["| error | room | meaning |", "| --- | --- | --- |"]
    for error in subclasses(PenstockError):
        room = error.__module__.split(".")[1]
        lines.append(f"| `{error.__name__}` | {room} | {summary(error)} |")
    return _page(lines)


def metrics_page() -> str:
    """Every metric that the program exports, found where the code declares it."""
    lines = [_NOTE, "# Metrics", "", "Exported at `/metrics` in the Prometheus text format.", ""]
    lines += ["| metric | kind | labels | meaning |", "| --- | --- | --- | --- |"]
    sources = sorted(Path(penstock.__path__[0]).rglob("*.py"))
    lines += sorted({row for path in sources for row in metric_rows(path.read_text("utf-8"))})
    return _page(lines)


def states_page() -> str:
    """The tables of states as diagrams."""
    lines = [_NOTE, "# States", "", "What may follow what; nothing else can happen.", ""]
    for title, kind in (
        ("A version of a pipeline", states.VersionState),
        ("A run", states.RunState),
        ("A step of a run", states.StepState),
    ):
        lines += [f"## {title}", "", "```mermaid", states.diagram(kind).rstrip("\n"), "```", ""]
    return _page(lines)


def schema_file() -> str:
    """The JSON Schema of pipeline definitions."""
    return json.dumps(definition.json_schema(), indent=2) + "\n"


def metric_rows(source: str) -> Iterator[str]:
    """A table row for each counter, gauge and histogram that a module declares."""
    module = ast.parse(source)
    named = {
        target.id: node.value
        for node in module.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(module):
        match node:
            case ast.Call(
                func=ast.Attribute(attr=("counter" | "gauge" | "histogram") as kind),
                args=[ast.Constant(str(name)), ast.Constant(str(said)), *rest],
            ):
                given = [*rest[:1], *(word.value for word in node.keywords if word.arg == "labels")]
                labels = ", ".join(f"`{label}`" for one in given for label in _labels(one, named))
                yield f"| `{name}` | {kind} | {labels} | {cell(said)} |"


def _labels(node: ast.expr, named: Mapping[str, ast.expr]) -> Iterator[str]:
    """The strings in a tuple as it is written, with the module's constants in it."""
    match node:
        case ast.Constant(str(label)):
            yield label
        case ast.Name(id=name) | ast.Starred(value=ast.Name(id=name)) if name in named:
            yield from _labels(named[name], named)
        case ast.Tuple(elts=parts):
            for part in parts:
                yield from _labels(part, named)


def _page(lines: list[str]) -> str:
    return "\n".join(lines).rstrip("\n") + "\n"
