"""Downloader: fetches a token's data file, resumes, checks it, and leaves the disk some air."""

import json
import shutil
import time
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import BinaryIO, cast
from urllib.parse import urlsplit

from pydantic import Field

from penstock.base import Size, TextOptions
from penstock.kanban._data import CHUNK, filled, part_of, publish, reference
from penstock.kanban._errors import RetryableError
from penstock.kanban._filter import Arguments, Filter, FilterContext, Later, Outcome
from penstock.kanban._sources import Had, Opened, local_path, open_source, place_problem
from penstock.kanban._token import Token

_FULL_S = 30.0
_WEB = ("http://", "https://")


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

    storage_options: TextOptions = Field(default_factory=dict, repr=False)
    """Of the object store, where they differ from those under `global`."""


class Downloader(Filter):
    """Fetches `source` into the processing bucket: whole, or not at all under its name.

    A file that is there already, from an attempt that was cut off before the token moved, is kept.
    What was read of the same version before a crash is not read again; after a power cut it is.
    """

    arguments = DownloaderArguments

    @classmethod
    def problems(cls, context: FilterContext) -> Iterable[str]:
        args = DownloaderArguments.model_validate(dict(context.args))
        local = local_path(args.source, context.root)
        if local is not None:
            folder = Path(str(local).partition("{")[0])
            folder = folder if str(local).partition("{")[0].endswith("/") else folder.parent
            if not folder.is_dir():
                yield f"the directory {folder} does not exist"
        elif not args.source.startswith(_WEB):
            options = args.storage_options or context.settings.storage_options
            if said := place_problem(args.source, context.root, options):
                yield said

    def process(self, token: Token) -> Outcome:
        url = filled(self.args.source, token)
        folder = self.context.processing(token)
        path = folder / self._name(url, token)
        if not path.exists():
            part = part_of(path)
            if (late := self._fetch(url, part)) is not None:
                return late
            self.context.failpoints.cross("download.fetched")
            publish(part, path)
        self.context.failpoints.cross("download.published")
        found = reference(folder, path)
        expected = filled(self.args.sha256, token)
        if expected and found.sha256 != expected:
            path.unlink()
            raise RetryableError(f"expected sha256 {expected}, got {found.sha256}")
        return token.with_data(found)

    def _name(self, url: str, token: Token) -> str:
        """What the file is called here: as there, with the id before it where it is not part of that."""
        last = self.args.source.rpartition("/")[2].partition("?")[0]
        name = (urlsplit(url).path if url.startswith(_WEB) else url).rpartition("/")[2]
        if "{barcode}" in last or "{id}" in last:
            return name
        return f"{token.id}.{name}" if name else f"{token.id}.data"

    def _fetch(self, url: str, part: Path) -> Later | None:
        """Read the source into `part`; or say that there is no room for it now."""
        notes = part.with_name(f"{part.name}.notes")
        had = _had(part, notes)
        options = self.args.storage_options or self.context.settings.storage_options
        with open_source(url, self.context.root, had, options) as opened:
            need = (opened.size or opened.start) - opened.start
            free = shutil.disk_usage(part.parent).free
            if free - need < self.args.free:
                return Later(_FULL_S, f"{free:,} bytes are free, {need:,} are needed")
            version = {"version": opened.version, "boot": _boot()}
            if not opened.start:
                part.unlink(missing_ok=True)
            notes.write_text(json.dumps(version))
            with part.open("ab") as target:
                self._copy(opened, target)
                got = target.tell()
        if opened.size is not None and got != opened.size:
            raise RetryableError(
                f"{url}: expected {opened.size} bytes, got {got}; the rest comes next"
            )
        notes.unlink()
        return None

    def _copy(self, source: Opened, target: BinaryIO) -> None:
        started, copied = time.monotonic(), 0
        while block := cast("bytes", source.stream.read(CHUNK)):
            target.write(block)
            copied += len(block)
            self.context.failpoints.cross("download.block")
            if self.args.rate:
                ahead = copied / self.args.rate - (time.monotonic() - started)
                time.sleep(max(ahead, 0.0))


def _had(part: Path, notes: Path) -> Had:
    """What an earlier attempt has read since the machine was started: of older bytes nobody knows."""
    try:
        values = json.loads(notes.read_bytes())
        if values["boot"] == _boot() and values["version"]:
            return Had(part.stat().st_size, values["version"])
    except (FileNotFoundError, ValueError, KeyError):
        pass
    return Had()


@cache
def _boot() -> str:
    """What tells one start of the machine from another; empty where the system does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
