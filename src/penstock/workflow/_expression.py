"""Expressions: CEL between `${{` and `}}`, total and free of side effects.

CEL comes with the extra `workflow`; this file is its only home.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import import_module
from typing import Any, Final

from penstock.base import MissingExtraError, Value
from penstock.workflow._errors import ExpressionError

Reference = tuple[str, ...]
"""A name and what is taken from it: `("steps", "enrich", "outputs")`."""

_TOKEN: Final = re.compile(
    r"""(?P<string>[rRbB]{0,2}(?:\"{3}.*?\"{3}|'{3}.*?'{3}|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'))"""
    r"|(?P<name>[A-Za-z_]\w*)|(?P<number>\d[\w.]*)|(?P<sign>[^\s\w])",
    re.DOTALL,
)
_WORDS: Final = frozenset({"true", "false", "null", "in"})
_MACROS: Final = frozenset({"all", "exists", "exists_one", "filter", "map"})
_CEL_ERRORS: Final = (ValueError, RuntimeError, LookupError, TypeError, ArithmeticError)


@dataclass(frozen=True)
class Expression:
    """One CEL expression, parsed once.

    >>> Expression.parse("params.days > 3").evaluate({"params": {"days": 5}})
    True
    """

    source: str
    """Without the braces around it."""

    references: tuple[Reference, ...]
    """What it reads, as far as the text tells, sorted, each once."""

    program: Any = field(repr=False, compare=False)

    @staticmethod
    @lru_cache(maxsize=4_096)
    def parse(source: str) -> "Expression":
        """Parse CEL.

        Raises:
            ExpressionError: It is not CEL; the column is where the parser stopped.
            MissingExtraError: The extra `workflow` is not installed.
        """
        try:
            program = _cel().compile(source)
        except _CEL_ERRORS as error:
            raise _syntax_error(source, str(error)) from error
        return Expression(source, _references(source), program)

    def evaluate(self, values: Mapping[str, Any]) -> Any:
        """Return its value as plain Python: dict, list, str, int, float, bool, None, datetime, timedelta.

        Args:
            values: By the first name of a reference: `params`, `steps`, `run`, ... What is not
                referred to is not looked at, so a large mapping costs nothing.

        Raises:
            ExpressionError: A value is missing or of the wrong type, or a number is out of range.
        """
        try:
            return self.program.execute(_needed(self.references, values))
        except _CEL_ERRORS as error:
            raise ExpressionError(self.source, 0, _reason(error)) from error


class Template(Value):
    """A string with expressions in it."""

    parts: tuple[str | Expression, ...]

    @property
    def expressions(self) -> tuple[Expression, ...]:
        """Its expressions, in order."""
        return tuple(part for part in self.parts if isinstance(part, Expression))

    def evaluate(self, values: Mapping[str, Any]) -> Any:
        """Return the value of a lone expression as it is, or the text with all values put in.

        Raises:
            ExpressionError: As `Expression.evaluate`.
        """
        if len(self.parts) == 1 and isinstance(self.parts[0], Expression):
            return self.parts[0].evaluate(values)
        filled = (part if isinstance(part, str) else part.evaluate(values) for part in self.parts)
        return "".join(part if isinstance(part, str) else _text(part) for part in filled)


@lru_cache(maxsize=4_096)
def parse_template(text: str) -> Template:
    """Split `text` at `${{ ... }}`; `$${{` stands for itself.

    Raises:
        ExpressionError: An expression does not parse, or does not end.
    """
    return Template(tuple(_parts(text)))


def expression_sources(text: str) -> list[str]:
    """The expressions of `text`, not parsed; the last one may lack its end."""
    return [source for is_source, source in _split(text) if is_source]


def render(value: Any, values: Mapping[str, Any]) -> Any:
    """Return `value`, a tree of dicts and lists, with the expressions in its strings evaluated.

    Raises:
        ExpressionError: The first expression that failed.
    """
    if isinstance(value, str):
        return parse_template(value).evaluate(values) if "${{" in value else value
    if isinstance(value, Mapping):
        return {key: render(item, values) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [render(item, values) for item in value]
    return value


def _parts(text: str) -> Iterator[str | Expression]:
    for is_source, piece in _split(text):
        if is_source:
            yield Expression.parse(piece)
        elif piece:
            yield piece


def _split(text: str) -> Iterator[tuple[bool, str]]:
    at = 0
    while (found := text.find("${{", at)) >= 0:
        if found and text[found - 1] == "$":
            yield False, text[at : found - 1] + "${{"
            at = found + 3
            continue
        yield False, text[at:found]
        end = _end_of(text, found + 3)
        yield True, text[found + 3 : end].strip()
        at = end + 2
    yield False, text[at:]


def _end_of(text: str, start: int) -> int:
    """Where the `}}` of an expression stands: not inside a string or a map."""
    depth = 0
    for token in _TOKEN.finditer(text, start):
        if token["sign"] == "{":
            depth += 1
        elif token["sign"] == "}":
            if depth == 0 and text.startswith("}}", token.start()):
                return token.start()
            depth -= 1
    raise ExpressionError(text[start:].strip(), 0, "it does not end; write }} behind it")


def _references(source: str) -> tuple[Reference, ...]:
    tokens = [(kind, match[0]) for match in _TOKEN.finditer(source) if (kind := match.lastgroup)]
    bound = {
        tokens[at + 2][1]
        for at in range(len(tokens) - 3)
        if tokens[at][1] in _MACROS and tokens[at + 1][1] == "(" and tokens[at + 3][1] == ","
    }
    found = set()
    for at, (kind, word) in enumerate(tokens):
        starts = kind == "name" and word not in _WORDS and (at == 0 or tokens[at - 1][1] != ".")
        if starts and word not in bound and tokens[at + 1 : at + 2] != [("sign", "(")]:
            found.add(_chain(tokens, at))
    return tuple(sorted(found))


def _chain(tokens: list[tuple[str, str]], at: int) -> Reference:
    names = [tokens[at][1]]
    at += 1
    while at + 1 < len(tokens):
        if tokens[at][1] == "." and tokens[at + 1][0] == "name":
            if tokens[at + 2 : at + 3] == [("sign", "(")]:
                break
            names.append(tokens[at + 1][1])
            at += 2
        elif tokens[at][1] == "[" and tokens[at + 1][0] == "string":
            names.append(tokens[at + 1][1].strip("'\""))
            at += 3
        else:
            break
    return tuple(names)


def _needed(references: tuple[Reference, ...], values: Mapping[str, Any]) -> dict[str, Any]:
    """The part of `values` that is referred to: whole roots, or single entries below them."""
    needed: dict[str, Any] = {}
    for root, *rest in references:
        if root not in values:
            continue
        value = values[root]
        if not rest or not isinstance(value, Mapping):
            needed[root] = value
        elif (kept := needed.setdefault(root, {})) is not value and rest[0] in value:
            kept[rest[0]] = value[rest[0]]
    return needed


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def _syntax_error(source: str, message: str) -> ExpressionError:
    place = re.search(r"<input>:(\d+):(\d+): (?:Syntax error: )?(.*)", message)
    if place is None:
        return ExpressionError(source, 0, message.splitlines()[0])
    before = source.splitlines(keepends=True)[: int(place[1]) - 1]
    reason = re.sub(r" expecting \{.*", "", place[3]).replace("'<EOF>'", "its end")
    return ExpressionError(source, sum(map(len, before)) + int(place[2]), reason)


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"there is no {error.args[0]!r}"
    return re.split(r"\.? (?:Check that|CEL does not coerce)", str(error))[0]


@lru_cache(maxsize=1)
def _cel() -> Any:
    try:
        return import_module("cel")
    except ImportError as error:
        raise MissingExtraError("cel", "workflow") from error
