"""Data files in object stores: loaded only where a URL names one."""

import shutil
from pathlib import Path
from typing import BinaryIO, cast

from penstock.kanban._errors import PermanentError
from penstock.storage import NotFoundError, open_store


def _split(url: str) -> tuple[str, str]:
    base, _, key = url.rpartition("/")
    return base, key


def fetch(url: str, part: Path) -> None:
    """Copy an object into a file."""
    base, key = _split(url)
    try:
        with open_store(base).open(key) as source, part.open("wb") as target:
            shutil.copyfileobj(cast("BinaryIO", source), target, 1 << 20)
    except NotFoundError as error:
        raise PermanentError(f"{url} does not exist") from error


def size_of(url: str) -> int | None:
    """The size of an object; None where there is none."""
    base, key = _split(url)
    found = open_store(base).head(key)
    return None if found is None else found.size


def store(path: Path, url: str) -> None:
    """Store a file as an object, replacing what is there."""
    base, key = _split(url)
    open_store(base).put_file(key, path)
