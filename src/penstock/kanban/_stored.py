"""What a board's store really has: files of a directory, or objects, by the id that their names hold."""

import re
from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from penstock.base import Value
from penstock.kanban._built_in import find_class
from penstock.kanban._data import sha256_of
from penstock.kanban._filter_upload import Uploader
from penstock.kanban._load import Board
from penstock.kanban._sources import local_path, stores

_MARKER = ".done"


class Stored(Value):
    """One file or object."""

    url: str
    size: int | None
    """Bytes; None for a mark that stands for data elsewhere."""
    checksum: Callable[[], str]
    """Reads it for its sha256."""


def stored(board: Board, known: Collection[str]) -> dict[str, Stored]:
    """Everything that the last Uploader's target has, or else the done bucket.

    Args:
        board: Whose.
        known: Ids; where a file's name is not given by a template, the longest that it begins with counts.

    Raises:
        ValueError: It is an object store, and the extra `lake` is not installed.
    """
    template, options = _target(board)
    local = local_path(template or board.settings.done_bucket, board.root)
    where = str(local) if local is not None else template or board.settings.done_bucket
    if not template:
        where = f"{where.rstrip('/')}/"
    folder = where.partition("{")[0].rpartition("/")[0]
    pattern = _pattern(where) if template else None
    found: dict[str, Stored] = {}
    everything = _files(Path(folder)) if local is not None else _objects(board, folder, options)
    for one in everything:
        identity = (
            _matched(pattern, one.url) if pattern else _named(one.url[len(folder) + 1 :], known)
        )
        if identity:
            found[identity] = one
    return found


def _target(board: Board) -> tuple[str, dict[str, str]]:
    for config in reversed(board.config.filters):
        if issubclass(find_class(config.class_, board.root), Uploader):
            args: Any = Uploader.arguments.model_validate(config.args)
            return args.target, args.storage_options or board.settings.storage_options
    return "", board.settings.storage_options


def _pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)[^{}]*\}", template)
    text, seen = re.escape(parts[0]), False
    for name, rest in zip(parts[1::2], parts[2::2], strict=True):
        if name in {"barcode", "id"}:
            text += "(?P=id)" if seen else "(?P<id>.+)"
            seen = True
        else:
            text += ".+"
        text += re.escape(rest)
    return re.compile(text)


def _matched(pattern: re.Pattern[str], url: str) -> str:
    match = pattern.fullmatch(url)
    return match.groupdict().get("id", "") if match else ""


def _named(name: str, known: Collection[str]) -> str:
    parts = name.split(".")
    heads = [".".join(parts[:count]) for count in range(len(parts), 0, -1)]
    return next((head for head in heads if head in known), parts[0])


def _files(folder: Path) -> Iterator[Stored]:
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and not hidden:
            size = None if path.suffix == _MARKER else path.stat().st_size
            yield Stored(str(path), size, partial(sha256_of, path))


def _objects(board: Board, prefix: str, options: dict[str, str]) -> Iterator[Stored]:
    found = stores(board.root, options)
    for url, size in found.sizes(prefix).items():
        yield Stored(url, size, partial(found.sha256, url))
