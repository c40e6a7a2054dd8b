"""Uploader: stores a token's data file where it is to stay, and sees that it is there."""

import shutil
from pathlib import Path
from typing import Any

from penstock.kanban._built_in import load
from penstock.kanban._data import filled, only_data, part_of, publish, remove, sha256_of
from penstock.kanban._errors import PermanentError, RetryableError
from penstock.kanban._filter import Arguments, Filter, Outcome
from penstock.kanban._filter_download import local_path
from penstock.kanban._token import DataRef, Token


class UploaderArguments(Arguments):
    """Where data files go."""

    target: str = ""
    """A URL or path with `{barcode}`; by default the token's done bucket, under the file's own name."""

    keep: bool = False
    """Keep the file in the processing bucket."""


class Uploader(Filter):
    """Stores the file, verifies it, then removes the local one.

    Idempotent: the same bytes under the same name, however often; what is there with the size and
    checksum of the token is not written again. Stores are verified by size; local files by checksum.
    """

    arguments = UploaderArguments

    def process(self, token: Token) -> Outcome:
        source = only_data(token, self.context)
        url = filled(self.args.target, token) or str(self.context.done(token) / source.name)
        checksum = token.data[0].sha256 if token.data else ""
        if source.is_dir():
            raise PermanentError(f"{source.name} is a directory; pack it before the upload")
        local = local_path(url, self.context.root)
        if local is not None:
            size = self._store_locally(source, local, checksum)
        else:
            size = self._store(source, url, token)
        if not self.args.keep:
            remove(source)
        return token.with_data(DataRef(url, size, checksum))

    def _store_locally(self, source: Path, target: Path, checksum: str) -> int:
        if not (target.exists() and checksum and sha256_of(target) == checksum):
            if not source.exists():
                raise PermanentError(f"the data file {source} is gone")
            part = part_of(target)
            shutil.copyfile(source, part)
            if sha256_of(part) != (checksum or sha256_of(source)):
                raise RetryableError(
                    f"what was written to {target} is not what {source.name} holds"
                )
            publish(part, target)
        return target.stat().st_size

    def _store(self, source: Path, url: str, token: Token) -> int:
        size_of: Any = load("penstock.kanban._stores", "size_of", self.context.root)
        store: Any = load("penstock.kanban._stores", "store", self.context.root)
        if not source.exists():
            if token.data and size_of(url) == token.data[0].size:
                return token.data[0].size
            raise PermanentError(f"the data file {source} is gone")
        size = source.stat().st_size
        store(source, url)
        if size_of(url) != size:
            raise RetryableError(f"{url} does not have the {size:,} bytes that were sent")
        return size
