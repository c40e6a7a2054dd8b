"""What the documentation shows is true."""

import doctest
import re
from types import ModuleType

import pytest

from penstock.base import parse_yaml
from tools.engines.spark import DELTA, SPARK
from tools.engines.trino import TRINO
from tools.links import ROOT, documents
from tools.reference_pages import modules


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.__name__)
def test_the_examples_in_docstrings_come_out_as_shown(module: ModuleType) -> None:
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize("path", documents(ROOT), ids=lambda path: path.name)
def test_the_examples_in_the_documentation_can_be_parsed(path) -> None:
    for language, text in re.findall(
        r"^```(\w+)\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL
    ):
        if language == "python":
            compile(text, str(path), "exec")
        elif language == "yaml":
            assert parse_yaml(text, file=str(path)).data


@pytest.mark.parametrize("path", sorted((ROOT / "docs").rglob("*.md")), ids=lambda path: path.name)
def test_every_page_can_be_reached_from_the_first(path) -> None:
    """Directly, or from the list of decision records."""
    first = (ROOT / "docs" / "index.md").read_text() + (ROOT / "docs/adr/README.md").read_text()

    assert path.name == "index.md" or path.name in first


def test_the_readers_of_parquet_are_named_with_the_versions_that_are_tested() -> None:
    """Of the lock, and of what `make engines` fetches."""
    lock = (ROOT / "requirements.lock").read_text()
    locked = dict(re.findall(r"^(duckdb|polars)==(\S+)", lock, re.MULTILINE))
    named = f"| DuckDB {locked['duckdb']} | polars {locked['polars']} | Spark {SPARK}, Delta Lake {DELTA} | Trino {TRINO} |"

    assert named in (ROOT / "docs" / "guides" / "ingestion-in-production.md").read_text()
