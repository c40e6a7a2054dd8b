"""Uploader: stores a token's data file where it is to stay, and sees that it is there."""

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from penstock.base import TextOptions
from penstock.kanban._data import filled, only_data, remove, sha256_of
from penstock.kanban._errors import PermanentError, RetryableError
from penstock.kanban._filter import Arguments, Filter, FilterContext, Outcome
from penstock.kanban._sources import local_path, place_problem, stores
from penstock.kanban._targets import LocalTarget, StoreTarget, Target
from penstock.kanban._token import DataRef, Token


class UploaderArguments(Arguments):
    """Where data files go."""

    target: str = ""
    """A URL or path with `{barcode}`; by default the token's done bucket, under the file's own name."""

    verify: Literal["checksum", "size"] = "checksum"
    """What is compared of an object afterwards: `checksum` reads it back, which doubles the traffic."""

    keep: bool = False
    """Keep the file in the processing bucket."""

    storage_options: TextOptions = Field(default_factory=dict, repr=False)
    """Of the object store, where they differ from those under `global`."""


class Uploader(Filter):
    """Stores the file, verifies it, then removes the local one.

    Idempotent: the same bytes under the same name, however often; what is there with the size and
    checksum of the token is not written again.
    """

    arguments = UploaderArguments
    takes_data = True

    @classmethod
    def problems(cls, context: FilterContext) -> Iterable[str]:
        args = UploaderArguments.model_validate(dict(context.args))
        options = args.storage_options or context.settings.storage_options
        for url in (args.target, context.settings.done_bucket + "/"):
            if said := place_problem(url, context.root, options):
                yield said

    def process(self, token: Token) -> Outcome:
        source = only_data(token, self.context)
        if source.is_dir():
            raise PermanentError(f"{source.name} is a directory; pack it before the upload")
        url = filled(self.args.target, token) or self._default(token, source)
        size, checksum = self._expected(token, source)
        target = self._target(url)
        if not source.exists():
            if not target.holds(size, checksum):
                raise PermanentError(f"the data file {source} is gone")
        elif not (self.args.verify == "checksum" and target.holds(size, checksum)):
            target.store(source)
            self.context.failpoints.cross("upload.stored")
            if not target.holds(size, checksum):
                raise RetryableError(f"what {url} holds is not what was sent from {source.name}")
        self.context.failpoints.cross("upload.verified")
        if not self.args.keep:
            remove(source)
            self.context.failpoints.cross("upload.removed")
        return token.with_data(DataRef(url, size, checksum))

    def _expected(self, token: Token, source: Path) -> tuple[int, str]:
        """Size and checksum of what is to be stored; the file must be what the token says."""
        said = token.data[0] if token.data else None
        if not source.exists():
            return (said.size, said.sha256) if said else (0, "")
        size, checksum = source.stat().st_size, sha256_of(source)
        if said and said.sha256 and said.sha256 != checksum:
            raise PermanentError(
                f"{source.name} was changed or damaged: expected sha256 {said.sha256}, got {checksum}"
            )
        return size, checksum

    def _default(self, token: Token, source: Path) -> str:
        bucket = token.done_bucket or self.context.settings.done_bucket
        if local_path(bucket, self.context.root) is None:
            return f"{bucket.rstrip('/')}/{source.name}"
        return str(self.context.done(token) / source.name)

    def _target(self, url: str) -> Target:
        local = local_path(url, self.context.root)
        if local is not None:
            return LocalTarget(local)
        return StoreTarget(self._stores, url, read_back=self.args.verify == "checksum")

    @cached_property
    def _stores(self) -> Any:
        return stores(
            self.context.root, self.args.storage_options or self.context.settings.storage_options
        )
