"""Data files: written aside, made durable, then named; so that none is ever half there."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from penstock.files import sync_directory
from penstock.kanban._disk import Disk
from penstock.kanban._errors import PermanentError
from penstock.kanban._filter import FilterContext
from penstock.kanban._token import DataRef, Token

CHUNK = 1 << 20
_PART = ".part"


def sha256_of(path: Path) -> str:
    """The checksum of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def part_of(path: Path) -> Path:
    """Where a file is written before it has its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.with_name(f".{path.name}{_PART}")


def publish(part: Path, path: Path) -> None:
    """Give a whole file its name, durably."""
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(path)
    sync_directory(path.parent)


def publish_folder(part: Path, path: Path) -> None:
    """Give a whole directory its name, durably; one of an earlier attempt is replaced."""
    Disk().sync_all(str(part))
    if path.exists():
        shutil.rmtree(path)
    part.rename(path)
    sync_directory(path.parent)


@contextmanager
def scratch(path: Path) -> Iterator[Path]:
    """An empty directory beside `path`; what an earlier attempt left there is removed."""
    part = part_of(path)
    if part.exists():
        shutil.rmtree(part)
    part.mkdir()
    try:
        yield part
    finally:
        if part.exists():
            shutil.rmtree(part)


def remove(path: Path) -> None:
    """Remove a file or a directory; that it is gone is fine.

    A directory loses its name first, so that one that is half gone is never taken for a whole one.
    """
    trash = path.with_name(f".{path.name}.gone")
    if trash.exists():
        shutil.rmtree(trash)
    if path.is_dir():
        path.rename(trash)
        shutil.rmtree(trash)
    else:
        path.unlink(missing_ok=True)


def reference(folder: Path, path: Path, *, checksum: bool = True) -> DataRef:
    """What a token says of a data file or directory."""
    if path.is_dir():
        size = sum(found.stat().st_size for found in path.rglob("*") if found.is_file())
        return DataRef(path.name + "/", size)
    where = str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)
    return DataRef(where, path.stat().st_size, sha256_of(path) if checksum else "")


def only_data(token: Token, context: FilterContext) -> Path:
    """The path of the token's one data file or directory; it may be gone.

    Raises:
        PermanentError: It has none, or several.
    """
    found = found_data(token, context, checksum=False)
    if len(found.data) != 1:
        raise PermanentError(
            f"expected one data file of {token.id!r} in {context.processing(token)}, got {len(found.data)}"
        )
    return context.file(found, found.data[0])


def found_data(token: Token, context: FilterContext, *, checksum: bool = True) -> Token:
    """The token with its data: one without, as people make them, stands for the first file named after it."""
    folder = context.processing(token)
    if token.data or not folder.is_dir():
        return token
    named = sorted(path for path in folder.glob(f"{_escaped(token.id)}.*"))
    return token.with_data(reference(folder, named[0], checksum=checksum)) if named else token


def _escaped(text: str) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in text)


def filled(template: str, token: Token) -> str:
    """A template with `{barcode}` and the token's own fields filled in.

    Raises:
        PermanentError: It names a field that the token lacks.
    """
    try:
        return template.format_map({**token.fields, "barcode": token.id, "id": token.id})
    except (KeyError, ValueError, IndexError, AttributeError) as error:
        raise PermanentError(f"the template {template!r} cannot be filled in: {error}") from error
