"""Queries as text: their `:name` parameters, the Delta tables that they read, whether they parse."""

import re
from collections.abc import Iterable
from importlib import import_module
from typing import Final

from penstock.base import MissingExtraError, Value
from penstock.workflow import validation

_TOKEN: Final = re.compile(
    r"""(?P<kept>'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|/\*.*?\*/|\$\$.*?\$\$|::)"""
    r"|(?<![\w:]):(?P<name>[A-Za-z_]\w*)"
    r"|delta_scan\s*\(\s*'(?P<table>(?:[^']|'')+)'\s*\)",
    re.DOTALL | re.IGNORECASE,
)
_PLACE: Final = re.compile(r"\nLINE (?P<line>\d+): (?P<text>[^\n]*)\n(?P<mark> *\^)?")


class Query(Value):
    """A query as DuckDB takes it."""

    text: str
    """With `$name` for each `:name`, and a view's name for each Delta table."""

    names: tuple[str, ...]
    """Its parameters, sorted."""

    tables: dict[str, str]
    """Views that it expects, and the Delta table behind each."""


def parse_query(text: str) -> Query:
    """Find parameters and Delta tables: not in strings, names or comments."""
    names: set[str] = set()
    tables: dict[str, str] = {}

    def put(found: re.Match[str]) -> str:
        if found["name"]:
            names.add(found["name"])
            return f"${found['name']}"
        if found["table"]:
            view = f"penstock_delta_{len(tables)}"
            tables[view] = found["table"].replace("''", "'")
            return view
        return found[0]

    return Query(_TOKEN.sub(put, text), tuple(sorted(names)), tables)


def check_duckdb(text: str) -> Iterable[validation.SqlProblem]:
    """Say what DuckDB's parser finds wrong with a query.

    Raises:
        MissingExtraError: DuckDB is not installed.
    """
    try:
        duckdb = import_module("duckdb")
    except ImportError as error:
        raise MissingExtraError("duckdb", "lake") from error
    try:
        duckdb.extract_statements(parse_query(text).text)
    except duckdb.Error as error:
        said = str(error)
        message = said.partition("\n")[0]
        place = _PLACE.search(said)
        if place is None:
            return [validation.SqlProblem(message)]
        prefix = len(f"LINE {place['line']}: ")
        column = max(len(place["mark"] or "") - prefix, 0)
        return [validation.SqlProblem(message, int(place["line"]), column)]
    return []
