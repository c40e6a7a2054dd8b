"""Archiver: ends a token's work by moving its data, or by leaving a mark."""

import json
from typing import Literal

from penstock.kanban._data import only_data, part_of, publish, reference, remove
from penstock.kanban._disk import replace_file
from penstock.kanban._errors import PermanentError
from penstock.kanban._filter import Arguments, Filter, Outcome
from penstock.kanban._token import Token


class ArchiverArguments(Arguments):
    """How the end is shown."""

    mode: Literal["move", "marker"] = "move"
    """Move the data file into the done bucket, or leave `<barcode>.done` there."""


class Archiver(Filter):
    """Moves the data file into the done bucket, or writes a marker there and lets the data be."""

    arguments = ArchiverArguments

    def process(self, token: Token) -> Outcome:
        folder = self.context.done(token)
        folder.mkdir(parents=True, exist_ok=True)
        if self.args.mode == "marker":
            note = {"barcode": token.id, "data": [reference.path for reference in token.data]}
            replace_file(folder / f"{token.id}.done", json.dumps(note).encode() + b"\n")
            return token
        source = only_data(token, self.context)
        target = folder / source.name
        if source.exists() and source != target:
            if source.stat().st_dev == folder.stat().st_dev:
                source.replace(target)
            else:
                part = part_of(target)
                part.write_bytes(source.read_bytes())
                publish(part, target)
                remove(source)
        elif not target.exists():
            raise PermanentError(f"the data {source} is gone")
        return token.with_data(reference(self.context.processing(token), target))
