"""Archiver: ends a token's work by moving its data, or by leaving a mark."""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from penstock.files import sync_directory, write_atomic
from penstock.kanban._data import (
    only_data,
    part_of,
    publish,
    publish_folder,
    reference,
    remove,
    scratch,
)
from penstock.kanban._errors import PermanentError
from penstock.kanban._filter import Arguments, Filter, FilterContext, Outcome
from penstock.kanban._sources import local_path
from penstock.kanban._token import Token


class ArchiverArguments(Arguments):
    """How the end is shown."""

    mode: Literal["move", "marker"] = "move"
    """Move the data file into the done bucket, or leave `<barcode>.done` there."""


class Archiver(Filter):
    """Moves the data file into the done bucket, or writes a marker there and lets the data be."""

    arguments = ArchiverArguments
    takes_data = True

    @classmethod
    def problems(cls, context: FilterContext) -> Iterable[str]:
        if local_path(context.settings.done_bucket, context.root) is None:
            yield "an Archiver moves into a directory; write an Uploader for a done_bucket in a store"

    def process(self, token: Token) -> Outcome:
        folder = self.context.done(token)
        folder.mkdir(parents=True, exist_ok=True)
        if self.args.mode == "marker":
            note = {"barcode": token.id, "data": [found.path for found in token.data]}
            write_atomic(folder / f"{token.id}.done", json.dumps(note).encode() + b"\n")
            self.context.failpoints.cross("archive.marked")
            return token
        source = only_data(token, self.context)
        target = folder / source.name
        if source.exists() and source != target:
            self._move(source, target)
            self.context.failpoints.cross("archive.moved")
        elif not target.exists():
            raise PermanentError(f"the data {source} is gone")
        return token.with_data(reference(self.context.processing(token), target))

    def _move(self, source: Path, target: Path) -> None:
        """By one rename where that is possible, else by a copy that is whole before it has its name."""
        if source.is_dir() and target.is_dir():
            remove(target)  # of an earlier token of this id
        if source.stat().st_dev == target.parent.stat().st_dev:
            source.replace(target)
            for folder in (target.parent, source.parent):
                sync_directory(folder)
            return
        if source.is_dir():
            with scratch(target) as part:
                shutil.copytree(source, part, dirs_exist_ok=True)
                self.context.failpoints.cross("archive.copied")
                publish_folder(part, target)
        else:
            shutil.copyfile(source, part_of(target))
            self.context.failpoints.cross("archive.copied")
            publish(part_of(target), target)
        self.context.failpoints.cross("archive.published")
        remove(source)
