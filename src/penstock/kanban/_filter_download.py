"""Downloader: fetches a token's data file, resumes, checks it, and leaves the disk some air."""

import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import unquote, urlsplit

from penstock.base import Size
from penstock.kanban._built_in import load
from penstock.kanban._data import CHUNK, filled, part_of, publish, reference
from penstock.kanban._errors import PermanentError, RetryableError
from penstock.kanban._filter import Arguments, Filter, FilterContext, Later, Outcome
from penstock.kanban._token import Token

_GONE = {404, 410}
_TIMEOUT_S = 60
_FULL_S = 30.0


class DownloaderArguments(Arguments):
    """Where data files come from."""

    source: str
    """A URL or path with `{barcode}`: `http(s)://`, `file://`, `s3://` and other stores."""

    sha256: str = ""
    """A template of the expected checksum, such as `{sha256}` for a field of the token."""

    free: Size = 256 * 2**20
    """Bytes that must stay free on the disk; with less, tokens wait and no attempt is counted."""

    rate: Size = 0
    """Most bytes per second and worker; 0 sets no limit."""


class Downloader(Filter):
    """Fetches `source` into the processing bucket: whole, or not at all under its name.

    A file that is there already, from an attempt that was cut off before the token moved, is kept.
    Over HTTP, what was read before a crash is not read again.
    """

    arguments = DownloaderArguments

    @classmethod
    def problems(cls, context: FilterContext) -> Iterable[str]:
        source = DownloaderArguments.model_validate(dict(context.args)).source
        if (local := local_path(source, context.root)) is not None:
            folder = Path(str(local).partition("{")[0])
            folder = folder if str(local).partition("{")[0].endswith("/") else folder.parent
            if not folder.is_dir():
                yield f"the directory {folder} does not exist"

    def process(self, token: Token) -> Outcome:
        url = filled(self.args.source, token)
        folder = self.context.processing(token)
        path = folder / url.rpartition("/")[2]
        if not path.exists():
            part = part_of(path)
            need = self._size(url)
            free = shutil.disk_usage(folder).free
            if free - (need or 0) < self.args.free:
                return Later(_FULL_S, f"{free:,} bytes are free, {need or 0:,} are needed")
            self._fetch(url, part)
            publish(part, path)
        found = reference(folder, path)
        expected = filled(self.args.sha256, token)
        if expected and found.sha256 != expected:
            path.unlink()
            raise RetryableError(f"expected sha256 {expected}, got {found.sha256}")
        return token.with_data(found)

    def _size(self, url: str) -> int | None:
        """The bytes of a source, where that is known beforehand."""
        local = local_path(url, self.context.root)
        if local is None:
            return None
        if not local.is_file():
            raise PermanentError(f"{local} does not exist")
        return local.stat().st_size

    def _fetch(self, url: str, part: Path) -> None:
        local = local_path(url, self.context.root)
        if local is not None:
            with local.open("rb") as source, part.open("wb") as target:
                self._copy(source, target)
        elif url.startswith(("http://", "https://")):
            self._fetch_http(url, part)
        else:
            fetch: Any = load("penstock.kanban._stores", "fetch", self.context.root)
            fetch(url, part)

    def _fetch_http(self, url: str, part: Path) -> None:
        have = part.stat().st_size if part.exists() else 0
        version = part.with_name(f"{part.name}.etag")
        headers = {"User-Agent": "penstock"}
        if have and version.exists():
            headers |= {"Range": f"bytes={have}-", "If-Range": version.read_text()}
        request = urllib.request.Request(url, headers=headers)  # noqa: S310 - http(s), checked above
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310
                resumed = answer.status == 206
                version.write_text(answer.headers.get("ETag", ""))
                with part.open("ab" if resumed else "wb") as target:
                    self._copy(answer, target)
                    got = target.tell() - (have if resumed else 0)
                expected = answer.headers.get("Content-Length")
        except urllib.error.HTTPError as error:
            if error.code in _GONE:
                raise PermanentError(f"{url} does not exist ({error.code})") from error
            raise RetryableError(f"{url}: {error}") from error
        if expected is not None and got != int(expected):
            raise RetryableError(
                f"{url}: expected {expected} bytes, got {got}; the rest comes next"
            )
        version.unlink(missing_ok=True)

    def _copy(self, source: Any, target: BinaryIO) -> None:
        started, copied = time.monotonic(), 0
        while block := cast("bytes", source.read(CHUNK)):
            target.write(block)
            copied += len(block)
            if self.args.rate:
                ahead = copied / self.args.rate - (time.monotonic() - started)
                time.sleep(max(ahead, 0.0))


def local_path(url: str, root: Path) -> Path | None:
    """The path behind a `file://` URL or a plain path; None for what is elsewhere."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return root / url if not parts.scheme else None
