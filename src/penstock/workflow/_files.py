"""The queries and scripts that a definition names: they belong to its version too."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from penstock.workflow._checks import actions_of
from penstock.workflow._finding import Findings, Place

_KEYS: Final = (("sql", "file"), ("python", "script"))


def read_files(data: Any, directory: Path) -> dict[str, str]:
    """Read the files that a document names; those that cannot be read are left out."""
    files = {}
    for _, path in _named(data):
        try:
            files[path] = (directory / path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue  # check_files says so, with the place
    return files


def check_files(data: Any, files: Mapping[str, str], findings: Findings) -> None:
    """Files that are named and not there."""
    for place, path in _named(data):
        if path not in files:
            hint = "a path begins at the directory of the definition; files are UTF-8"
            findings.add("FILE", place, f"the file {path!r} cannot be read", hint, near=path)


def _named(data: Any) -> Iterator[tuple[Place, str]]:
    for place, action in actions_of(data):
        for kind, key in _KEYS:
            part = action.get(kind)
            path = part.get(key) if isinstance(part, dict) else None
            if isinstance(path, str):
                yield (*place, kind, key), path
