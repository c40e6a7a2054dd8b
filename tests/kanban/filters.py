"""Filters called as a worker calls them, without a board."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from penstock.kanban import FilterContext, Token
from penstock.kanban._built_in import find_class
from penstock.kanban._config import GlobalConfig
from penstock.kanban._filter import Filter, Outcome

PASSPHRASE = "correct horse"


def make_filter(root: Path, name: str, **args: Any) -> Filter:
    """A filter of a class, over directories below `root`."""
    settings = GlobalConfig.model_validate(
        {"processing_bucket": "work", "done_bucket": "done", "gpg_passphrase": PASSPHRASE}
    )
    for folder in ("work", "done"):
        (root / folder).mkdir(exist_ok=True)
    return find_class(name, root)(FilterContext(name, root, settings, args))


def moved(outcome: Outcome) -> Token:
    """The outcome of a filter that was content."""
    assert isinstance(outcome, Token), outcome
    return outcome


def names(folder: Path) -> list[str]:
    """What is in a directory."""
    return sorted(path.name for path in folder.iterdir())


Arguments = Mapping[str, Any]
