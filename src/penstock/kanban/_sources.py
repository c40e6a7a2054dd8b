"""Where a download comes from: a file, a web server or an object store, from any byte on."""

import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from penstock.base import Value
from penstock.kanban._built_in import load
from penstock.kanban._errors import PermanentError, RetryableError

_GONE = {404, 410}
_TIMEOUT_S = 60


class Had(Value):
    """What an earlier attempt has read."""

    size: int = 0
    version: str = ""


class Opened(Value):
    """A source that can be read."""

    stream: Any
    start: int
    """The first byte of the stream: what was had of this version before it need not be read again."""
    size: int | None
    """Bytes of the whole, where that is known."""
    version: str
    """Empty where the source has none; then nothing of it can be kept for later."""


@contextmanager
def open_source(url: str, root: Path, had: Had, options: Mapping[str, str]) -> Iterator[Opened]:
    """Open a source behind what was had of it, if that is still of the same version.

    Raises:
        PermanentError: There is no such thing.
        RetryableError: The server does not say.
    """
    local = local_path(url, root)
    if local is not None:
        opener = _open_file(local, had)
    elif url.startswith(("http://", "https://")):
        opener = _open_http(url, had)
    else:
        opener = _open_object(url, had, stores(root, options))
    with opener as opened:
        yield opened


@contextmanager
def _open_file(path: Path, had: Had) -> Iterator[Opened]:
    if not path.is_file():
        raise PermanentError(f"{path} does not exist")
    with path.open("rb") as stream:
        status = path.stat()
        version = f"{status.st_ino}-{status.st_mtime_ns}-{status.st_size}"
        start = had.size if had.version == version else 0
        stream.seek(start)
        yield Opened(stream, start, status.st_size, version)


@contextmanager
def _open_http(url: str, had: Had) -> Iterator[Opened]:
    headers = {"User-Agent": "penstock"}
    if had.size and had.version:
        headers |= {"Range": f"bytes={had.size}-", "If-Range": had.version}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - http(s), checked above
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310
            start = had.size if answer.status == 206 else 0
            length = answer.headers.get("Content-Length")
            tag = answer.headers.get("ETag", "")
            strong = "" if tag.startswith("W/") else tag
            yield Opened(answer, start, None if length is None else start + int(length), strong)
    except urllib.error.HTTPError as error:
        if error.code in _GONE:
            raise PermanentError(f"{url} does not exist ({error.code})") from error
        raise RetryableError(f"{url}: {error}") from error


@contextmanager
def _open_object(url: str, had: Had, objects: Any) -> Iterator[Opened]:
    found = objects.look(url)
    if found is None:
        raise PermanentError(f"{url} does not exist")
    start = had.size if had.version == found.version else 0
    with objects.open(url, version=found.version, start=start) as stream:
        yield Opened(stream, start, found.size, found.version)


def local_path(url: str, root: Path) -> Path | None:
    """The path behind a `file://` URL or a plain path; None for what is elsewhere."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return root / url if not parts.scheme else None


def stores(root: Path, options: Mapping[str, str]) -> Any:
    """The object stores; their library is loaded only where a URL names one.

    Raises:
        ValueError: The extra `lake` is not installed.
    """
    kind: Any = load("penstock.kanban._stores", "Stores", root)
    return kind(options)


def place_problem(url: str, root: Path, options: Mapping[str, str]) -> str:
    """What is wrong with a URL that is no file of this machine; empty if nothing is."""
    if local_path(url, root) is not None or url.startswith("{"):
        return ""
    try:
        said: str = stores(root, options).problem(url)
    except ValueError as error:
        return str(error)
    return said
